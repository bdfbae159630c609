/* SPDX-License-Identifier: MIT */
/*
 * The table of a ghost that moves: an entry of 32 bytes for each block of 16 KiB
 * (src/move/PROTOCOL.md). It is sparse where the ghost is zero, and reads as zero behind its end.
 * Sender and receiver share it.
 */
#ifndef GK_MOVE_TABLE_H
#define GK_MOVE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/page-tag.h"
#include "ghostkeep.h"

#define BLOCK_SIZE GK_MOVE_BLOCK_BYTES
#define ENTRY_BYTES GK_MOVE_ENTRY_BYTES
#define PAGE_BYTES GK_MOVE_PAGE_BYTES
#define BLOCK_PAGES (BLOCK_SIZE / PAGE_BYTES)
/* The tags of all pages of a block, with its entry added to each. Only a sender has tags. */
#define BLOCK_TAGS_BYTES (BLOCK_PAGES * TAG_BYTES)

/* How many blocks a range of this length touches, if it begins on a block. */
static inline uint64_t blocks_of(uint64_t length)
{
	return length / BLOCK_SIZE + (length % BLOCK_SIZE != 0);
}

bool entry_is_zero(const unsigned char *entry);
bool entry_is_unknown(const unsigned char *entry);

/* Compute the entry of a block. A block with fewer than BLOCK_SIZE bytes counts as filled up with zeroes. */
void block_entry(const unsigned char *bytes, uint64_t length, unsigned char *entry);

/* Compute the entries of all blocks of a range, which begins on a block. */
void block_entries(const unsigned char *bytes, uint64_t length, unsigned char *entries);

/* Add a block's entry to each of its tags, in words of 64 bits. */
void tags_bind(unsigned char *tags, const unsigned char *entry);

/* These return 0 or a negative errno. */
int table_get(int fd, uint64_t first, uint64_t count, unsigned char *entries);
int table_put(int fd, uint64_t first, uint64_t count, const unsigned char *entries);
int tags_get(int fd, uint64_t first, uint64_t count, unsigned char *tags);
int tags_put(int fd, uint64_t first, uint64_t count, const unsigned char *tags);
int table_set_unknown(int fd, uint64_t first, uint64_t count);

/*
 * Make all entries zero that are not zero. With `unknown`, make those entries unknown instead. Where the
 * table has holes, nothing is read or written. *changed is how many entries were not zero.
 */
int table_clear(int fd, uint64_t first, uint64_t count, bool unknown, uint64_t *changed);

/* Compute BLAKE3 of entries, one behind the other. *unknown: whether at least one of them is unknown. */
int table_digest(int fd, uint64_t first, uint64_t count, unsigned char *digest, bool *unknown);

#endif

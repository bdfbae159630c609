/* SPDX-License-Identifier: MIT */
/*
 * Sends the blocks of one ghost. Content that the receiver has acknowledged goes as `same`, zeroes as
 * `zero`, unwritten ranges as `unwritten`, pages that have changed here and there as `patch`, and everything
 * else as data. Each byte is read once, so the digest is of the very bytes that are sent.
 */
#ifndef GK_SEND_BLOCKS_H
#define GK_SEND_BLOCKS_H

#include "blake3/blake3.h"
#include "move/patch.h"
#include "move/read-ahead.h"

struct body {
	struct sender *sender;
	uint32_t handle;
	uint64_t size;
	uint64_t done; /* everything below this offset is held or was sent */
	/* The blocks that are held: a row of one kind, which becomes one frame. */
	uint32_t kind; /* FRAME_ZERO, FRAME_UNWRITTEN, FRAME_SAME, or 0: nothing is held */
	uint64_t from, to;
	blake3_hasher entries; /* a hash of the entries of the held blocks; FRAME_SAME only */
	struct patch patch;    /* those of the held blocks that have changed pages; FRAME_SAME only */
	struct read_ahead ahead;
	struct gk_progress *progress;
	struct gk_report *report;
};

/* Write the two numbers that begin most payloads. */
static inline void put_place(unsigned char *to, uint32_t handle, uint64_t offset)
{
	put_number(to, handle, 8);
	put_number(to + 8, offset, 8);
}

/*
 * Hold the blocks from body->done up to the offset `to`, as one range with those that are held already
 * if the kind is the same. Otherwise those are sent first. kind is FRAME_ZERO, FRAME_UNWRITTEN, or
 * FRAME_SAME, which needs the entries of the blocks.
 */
int blocks_hold(struct body *body, uint32_t kind, uint64_t to, const unsigned char *entries);

/*
 * Send the blocks from body->done up to the offset `to` as data. Until the acknowledgement the table calls
 * them unknown. tags is NULL where the ghost has none.
 */
int blocks_data(struct body *body, uint64_t to, const unsigned char *bytes, const unsigned char *entries,
		const unsigned char *tags);

int blocks_table_failed(struct body *body, int error);

/* Send what is held. */
int blocks_flush(struct body *body);

#endif

/* SPDX-License-Identifier: MIT */
/* The two messages of a ghost image, from bytes that nobody vouches for. */
#ifndef GK_IMAGE_ENTRIES_H
#define GK_IMAGE_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

struct ghost_entry {
	bool chunks;
	bool has_size;
	uint64_t size;
};

struct chunk_entry {
	uint64_t offset;
	uint64_t length;
};

/* NULL, or what is wrong with the entry. */
const char *parse_ghost_entry(const unsigned char *bytes, uint64_t length, struct ghost_entry *entry);
const char *parse_chunk_entry(const unsigned char *bytes, uint64_t length, struct chunk_entry *entry);

#endif

/* SPDX-License-Identifier: MIT */
/* Parses the two kinds of entries of a ghost image. The bytes may come from anybody. */
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

/* Return NULL, or a text that says what is wrong with the entry. */
const char *parse_ghost_entry(const unsigned char *bytes, uint64_t length, struct ghost_entry *entry);
const char *parse_chunk_entry(const unsigned char *bytes, uint64_t length, struct chunk_entry *entry);

#endif

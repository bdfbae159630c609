/* SPDX-License-Identifier: MIT */
/*
 * Collects the changed pages of blocks that the receiver has otherwise. They become one frame `patch`, which
 * is a `same` with exceptions.
 */
#ifndef GK_MOVE_PATCH_H
#define GK_MOVE_PATCH_H

#include "move/sender.h"

struct patch {
	uint32_t pages, runs_count, blocks_count;
	uint64_t bytes_count;
	uint64_t next_page; /* the page behind the last one */
	struct patched_block {
		uint64_t block;
		unsigned char entry[ENTRY_BYTES], tags[BLOCK_TAGS_BYTES];
	} blocks[GK_MOVE_PATCH_PAGES];
	unsigned char runs[GK_MOVE_PATCH_PAGES * 8];
	unsigned char bytes[GK_MOVE_PATCH_PAGES * PAGE_BYTES];
};

/* A block with changed pages. */
struct changed_block {
	uint64_t block;
	const unsigned char *bytes;
	uint64_t length;
	const unsigned char *entry, *tags;
	unsigned char pages; /* a bit for each changed page */
};

static inline bool patch_has_room(const struct patch *patch)
{
	return patch->pages + BLOCK_PAGES <= GK_MOVE_PATCH_PAGES;
}

/*
 * Add a block. There must be room, and blocks ascend. from is where the frame begins. Returns how many bytes
 * of the block are sent.
 */
uint64_t patch_add(struct patch *patch, uint64_t from, const struct changed_block *changed);

/*
 * Send what was collected, and begin anew. place has the payload's first bytes, up to the digest. The
 * table says `unknown` of the blocks first.
 */
int patch_send(struct patch *patch, struct sender *sender, uint32_t handle, unsigned char *place,
	       struct gk_report *report);

#endif

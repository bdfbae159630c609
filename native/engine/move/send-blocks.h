/* SPDX-License-Identifier: MIT */
/*
 * Sends the blocks of one ghost: what the receiver has acknowledged as `same`, zeroes as `zero`, and
 * everything else as data. Each byte is read once, and the digest is of the bytes that are sent.
 */
#ifndef GK_SEND_BLOCKS_H
#define GK_SEND_BLOCKS_H

#include "blake3/blake3.h"
#include "move/read-ahead.h"

struct body {
	struct sender *sender;
	uint32_t handle;
	uint64_t size;
	uint64_t done; /* everything below has been given to hold() or sent */
	/* Blocks of one kind in a row, which become one frame. */
	uint32_t kind; /* FRAME_ZERO, FRAME_UNWRITTEN, FRAME_SAME, or 0: nothing is held */
	uint64_t from, to;
	blake3_hasher entries; /* of the blocks that are the same */
	struct read_ahead ahead;
	struct gk_progress *progress;
	struct gk_report *report;
};

/* Numbers that begin most payloads. */
static inline void put_place(unsigned char *to, uint32_t handle, uint64_t offset)
{
	put_number(to, handle, 8);
	put_number(to + 8, offset, 8);
}

/* All blocks up to the offset to are of this kind, which is FRAME_ZERO or FRAME_UNWRITTEN. */
int blocks_hold(struct body *body, uint32_t kind, uint64_t to);

/* Send blocks as they are, from body->done up to the offset until. */
int blocks_send(struct body *body, uint64_t until);

/* Send what is held. */
int blocks_flush(struct body *body);

#endif

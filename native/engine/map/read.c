// SPDX-License-Identifier: MIT
/*
 * The engine that relies on no map. It reads every byte and keeps the blocks that are not all
 * zero.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/progress.h"
#include "map/read.h"

#define BLOCK_BYTES 4096

struct read_state {
	uint64_t start; /* the window holds [start, end) of the file */
	uint64_t end;
	unsigned char window[];
};

static bool all_zero(const unsigned char *bytes, uint64_t length)
{
	/* The bytes are all zero if the first is zero and each equals the next. */
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* The end of the block around offset. Blocks are aligned in the file, not in the window. */
static uint64_t block_end(const struct read_state *state, uint64_t offset)
{
	uint64_t end = (offset | (BLOCK_BYTES - 1)) + 1;

	return end < state->end ? end : state->end;
}

static bool block_is_zero(const struct read_state *state, uint64_t offset)
{
	return all_zero(state->window + (offset - state->start), block_end(state, offset) - offset);
}

static int fill(struct walk *walk, uint64_t limit)
{
	struct read_state *state = walk->read;
	uint64_t left = limit - walk->pos;
	uint64_t length = WINDOW_BYTES - walk->pos % BLOCK_BYTES;
	int64_t got;

	if (cancelled(walk->progress) || stopped(walk))
		return -ECANCELED;
	got = read_full(walk->fd, state->window, length < left ? length : left, walk->pos);
	if (got < 0)
		return (int)got;
	state->start = walk->pos;
	state->end = walk->pos + (uint64_t)got;
	return 0;
}

int read_step(struct walk *walk, struct gk_extent *extent)
{
	return read_blocks(walk, walk->size, extent);
}

int read_blocks(struct walk *walk, uint64_t limit, struct gk_extent *extent)
{
	struct read_state *state = walk->read;
	uint64_t at, start, end;

	if (!state) {
		state = walk->read = malloc(sizeof(*state) + WINDOW_BYTES);
		if (!state)
			return -ENOMEM;
		state->start = state->end = walk->pos;
	}
	while (walk->pos < limit) {
		if (walk->pos < state->start || walk->pos >= state->end) {
			int error = fill(walk, limit);

			if (error)
				return error;
			if (state->end == state->start) { /* end of file */
				walk->pos = limit;
				return 0;
			}
		}
		end = state->end < limit ? state->end : limit;
		for (at = walk->pos; at < end && block_is_zero(state, at);)
			at = block_end(state, at);
		for (start = at; at < end && !block_is_zero(state, at);)
			at = block_end(state, at);
		at = at < end ? at : end;
		walk->pos = at;
		if (start < at) {
			*extent = (struct gk_extent){ .offset = start, .length = at - start };
			return 1;
		}
	}
	return 0;
}

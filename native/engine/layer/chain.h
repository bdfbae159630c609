/* SPDX-License-Identifier: MIT */
/*
 * The layers of one ghost, from the one that is asked for down to the one that needs no parent. The
 * last may be a whole image. A chain is walked once, from the ghost's first unit to its last.
 */
#ifndef GK_CHAIN_H
#define GK_CHAIN_H

#include "layer/level.h"

struct batch;

struct chain {
	struct level levels[GK_LEVELS_MAX];
	uint32_t count;
	uint64_t size;	/* of the ghost at the first level */
	bool tolerates; /* a unit that the first level has given up is no error, but is skipped */
	struct gk_report *report;
};

int chain_open(struct chain *chain, const struct gk_level *levels, uint32_t count, struct gk_report *report);
void chain_close(struct chain *chain);

/* Set *unit to the first unit from *unit on that may not be all zero. Returns 1, 0, or a negative errno. */
int chain_next(struct chain *chain, uint64_t *unit);

/*
 * Does each level above level depth say that the unit is in its parent? Then the first level gets
 * the unit from level depth or from one below. Units are asked for in ascending order. Returns 1, 0,
 * or a negative errno.
 */
int chain_reaches(struct chain *chain, uint64_t unit, uint32_t depth);

/* Add the unit that chain_next() has just given to the batch, without the places of its bytes. */
void chain_pass(const struct chain *chain, struct batch *batch);

/*
 * Add a unit to the batch, with the places of its bytes. Units are asked for in ascending order. A
 * unit that the last level says is in a parent is an error. With open it is none: then the unit is
 * skipped.
 */
int chain_add(struct chain *chain, uint64_t unit, bool open, struct batch *batch);

/*
 * Call this when all units were added. If the first level is an image, it checks that they have got
 * every byte of the image. Returns 0, -EIO when bytes are missing, or another negative errno.
 */
int chain_took_all(struct chain *chain);

#endif

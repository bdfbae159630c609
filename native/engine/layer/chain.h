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
 * Does the first level get a unit from level depth, if that has it? Units are asked for in ascending order.
 * Returns 1, 0, or a negative errno.
 */
int chain_reaches(struct chain *chain, uint64_t unit, uint32_t depth);

/* Add a unit to the batch that chain_next() has just given, without the places of its bytes. */
void chain_pass(const struct chain *chain, struct batch *batch);

/*
 * Add a unit to the batch, with the places of its bytes. Units are asked for in ascending order. With
 * open, the unit gets no places when the last level says that it is in a parent.
 */
int chain_add(struct chain *chain, uint64_t unit, bool open, struct batch *batch);

/* When all units were added: did they get every byte of the first level, if that is an image? 0 or -EIO. */
int chain_took_all(struct chain *chain);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The layers of one ghost, from the one that is asked for down to the one that needs no parent. The
 * last may be a whole image. A chain is walked once, from the ghost's first unit to its last.
 */
#ifndef GK_CHAIN_H
#define GK_CHAIN_H

#include "image/image-read.h"
#include "layer/map-read.h"

struct batch;

/* A walk over chunks of an image whose offsets ascend. */
struct run {
	struct image image;
	struct image_chunk chunk; /* the first one that may not be used up */
	bool ended;		  /* there is no such chunk */
	uint64_t taken;		  /* bytes that units got from it */
};

struct level {
	bool whole; /* an image; otherwise a map and data */
	struct map map;
	int data_fd;
	/* The offsets of an image may go back once. Units are asked for in order, so each run has a walk. */
	struct run runs[2];
};

struct chain {
	struct level levels[GK_LEVELS_MAX];
	uint32_t count;
	uint64_t size; /* of the ghost at the first level */
	struct gk_report *report;
};

int chain_open(struct chain *chain, const struct gk_level *levels, uint32_t count, struct gk_report *report);
void chain_close(struct chain *chain);

/* Set *unit to the first unit from *unit on that may not be all zero. Returns 1, 0, or a negative errno. */
int chain_next(struct chain *chain, uint64_t *unit);

/*
 * Add a unit to the batch, with the places of its bytes. Units are asked for in ascending order. With
 * open, the unit gets no places when the last level says that it is in a parent.
 */
int chain_add(struct chain *chain, uint64_t unit, bool open, struct batch *batch);

/* When all units were added: did they get every byte of the first level, if that is an image? 0 or -EIO. */
int chain_took_all(struct chain *chain);

#endif

/* SPDX-License-Identifier: MIT */
/* One layer of a ghost: its whole image, or the map and the data of a packed one. */
#ifndef GK_LEVEL_H
#define GK_LEVEL_H

#include "image/image-read.h"
#include "layer/given.h"
#include "layer/map-read.h"

struct batch;

/* A walk over chunks of an image whose offsets ascend. */
struct run {
	struct image image;
	struct image_chunk chunk; /* the first chunk that later units may have bytes from */
	bool ended;		  /* there is no such chunk */
	uint64_t taken;		  /* bytes that units got from the chunks of this run */
};

struct level {
	bool whole; /* an image; otherwise a map and data */
	struct map map;
	int data_fd;
	/* The offsets of an image may go back once. Units are asked for in order, so each run has a walk. */
	struct run runs[2];
	struct given given; /* units that it has given up */
};

int level_open(struct level *level, const struct gk_level *from, struct gk_report *report);
void level_close(struct level *level);

/* Set *unit to the first unit from *unit on that may not be all zero. Returns 1, 0, or a negative errno. */
int level_next(struct level *level, uint64_t *unit);

/*
 * Add to the last unit of the batch the places that a unit has in the level's own image or data.
 * There are none when it is in a parent. Units are asked for in ascending order.
 */
int level_add_places(struct level *level, uint64_t unit, struct batch *batch);

#endif

/* SPDX-License-Identifier: MIT */
/* A walk over the ranges of a ghost that a map calls not zero. Each is a chunk of the ghost's image. */
#ifndef GK_RUNS_H
#define GK_RUNS_H

#include "layer/map-read.h"

struct runs {
	struct map map;
	uint16_t left; /* a bit for each block of the current record that was not given out yet */
};

int runs_open(struct runs *runs, int map_fd, struct gk_report *report);

/* Give the next range. Returns 1, 0 behind the last one, or a negative errno. */
int runs_next(struct runs *runs, uint64_t *offset, uint64_t *length);

void runs_close(struct runs *runs);

/* Take the first row of neighbouring blocks out of *blocks, which must not be 0. */
void take_blocks(uint16_t *blocks, uint32_t *first, uint32_t *count);

#endif

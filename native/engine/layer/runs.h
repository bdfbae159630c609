/* SPDX-License-Identifier: MIT */
/* The ranges of a ghost that are not zero, as a map says them: the chunks of its image. */
#ifndef GK_RUNS_H
#define GK_RUNS_H

#include "layer/map-read.h"

struct runs {
	struct map map;
	uint16_t left; /* blocks of the current record that were not given out */
};

int runs_open(struct runs *runs, int map_fd, struct gk_report *report);

/* Give the next range. Returns 1, 0 behind the last one, or a negative errno. */
int runs_next(struct runs *runs, uint64_t *offset, uint64_t *length);

void runs_close(struct runs *runs);

/* Take the first row of neighbouring blocks out of *blocks, which has one. */
void take_blocks(uint16_t *blocks, uint32_t *first, uint32_t *count);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A walk over the extents of one file, from one offset upwards. When an engine cannot tell, the
 * next one goes on.
 */
#ifndef GK_WALK_H
#define GK_WALK_H

#include "map/walk-state.h"

int walk_open(struct walk *walk, int fd, uint32_t engine, uint64_t size, uint64_t start);

/* Give the next extent, merged and clipped. Returns 1, 0 at the end, or a negative errno. */
int walk_next(struct walk *walk, struct gk_extent *extent);

void walk_close(struct walk *walk);

#endif

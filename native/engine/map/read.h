/* SPDX-License-Identifier: MIT */
#ifndef GK_READ_H
#define GK_READ_H

#include "map/walk-state.h"

/* The engine that reads every byte: see walk-state.h. */
int read_step(struct walk *walk, struct gk_extent *extent);

/*
 * Other engines use this part of the read engine where they are in doubt. It finds the next blocks
 * in [pos, limit) that are not zero. Returns 1, 0 with pos at the limit, or a negative errno.
 */
int read_blocks(struct walk *walk, uint64_t limit, struct gk_extent *extent);

#endif

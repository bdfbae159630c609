/* SPDX-License-Identifier: MIT */
#ifndef GK_SEEK_H
#define GK_SEEK_H

#include "map/walk-state.h"

/* The engine that asks lseek(2): see walk-state.h. */
int seek_step(struct walk *walk, struct gk_extent *extent);

/*
 * Where data begins at or after offset, and where it ends, as lseek(2) sees
 * it, page cache included. Both may be far past the size: nothing from here on.
 * 0, -EOPNOTSUPP when this file system cannot say or talks nonsense, or a
 * negative errno.
 */
int seek_data(int fd, uint64_t offset, uint64_t *data);
int seek_hole(int fd, uint64_t offset, uint64_t *hole);

#endif

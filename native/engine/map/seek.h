/* SPDX-License-Identifier: MIT */
#ifndef GK_SEEK_H
#define GK_SEEK_H

#include "map/walk-state.h"

/* The engine that asks lseek(2): see walk-state.h. */
int seek_step(struct walk *walk, struct gk_extent *extent);

/*
 * seek_data finds where data begins at or after offset; seek_hole finds where the data at offset
 * ends. Both see the page cache. An answer far past the size means that nothing follows. They
 * return 0, -EOPNOTSUPP when the file system cannot tell or contradicts itself, or another negative
 * errno.
 */
int seek_data(int fd, uint64_t offset, uint64_t *data);
int seek_hole(int fd, uint64_t offset, uint64_t *hole);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GK_FIEMAP_H
#define GK_FIEMAP_H

#include "map/walk-state.h"

/* The engine that asks FS_IOC_FIEMAP: see walk-state.h. */
int fiemap_step(struct walk *walk, struct gk_extent *extent);

#endif

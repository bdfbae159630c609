/* SPDX-License-Identifier: MIT */
#ifndef GK_NAME_H
#define GK_NAME_H

#include "base/report.h"
#include "blake3/blake3.h"
#include "ghostkeep-layer.h"
#include "layer/layer-format.h"

/*
 * Name a map that was just written, from what a reader gets of it. Its head must be these bytes, and all
 * behind it must have gone through records. Returns 0, or -EIO where another map is read than was written.
 */
int name_written(int map_fd, const unsigned char head[LAYER_HEAD_BYTES], const blake3_hasher *records,
		 struct gk_name *name, struct gk_report *report);

#endif

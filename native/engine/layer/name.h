/* SPDX-License-Identifier: MIT */
#ifndef GK_NAME_H
#define GK_NAME_H

#include "base/report.h"
#include "blake3/blake3.h"
#include "ghostkeep-layer.h"
#include "layer/layer-format.h"

/*
 * Read a map that was just written, and name it. Its head must be these bytes, and records must be
 * the hash of all bytes that were written behind the head. Returns 0, -EIO where the map reads
 * differently, or another negative errno.
 */
int name_written(int map_fd, const unsigned char head[LAYER_HEAD_BYTES], const blake3_hasher *records,
		 struct gk_name *name, struct gk_report *report);

#endif

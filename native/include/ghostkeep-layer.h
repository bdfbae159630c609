/* SPDX-License-Identifier: MIT */
/*
 * The part of libghostkeep that saves room among many checkpoints of one container. It works on the
 * images of sealed directories only, never while anything is frozen. ghostkeep.h has the rules for
 * all functions.
 */
#ifndef GHOSTKEEP_LAYER_H
#define GHOSTKEEP_LAYER_H

#include <stdint.h>

struct gk_progress;
struct gk_report;

/*
 * Let two ghost images share the blocks that hold the same bytes of a ghost at the same offset:
 * ioctl_fideduperange(2), in which the kernel compares again. The content of neither image changes.
 * Only whole blocks of chunks that lie alike in both images can be shared, which those of 64 KiB and
 * more do. -EOPNOTSUPP where the file system shares no blocks, or the images lie on two.
 * report: size (of the ghost in to_fd), data_bytes (shared by this call), kept_bytes (shared before).
 */
int gk_share(int from_fd, int to_fd, struct gk_progress *progress, struct gk_report *report);

/* How many layers a ghost can have, the one that needs no parent included. */
#define GK_LEVELS_MAX 33

/* One layer of a ghost: a whole image, or a map and data. The others are -1. */
struct gk_level {
	int64_t image_fd, map_fd, data_fd;
};

struct gk_name {
	unsigned char bytes[32];
};

/*
 * Write a layer: what a ghost has, and of it only what its parent has not. The ghost is that of the
 * first of count levels, each of which needs the next. The parent is given in the same way, or
 * parent_count is 0. Units of 64 KiB are compared byte by byte. map_fd and data_fd are empty regular
 * files. native/engine/layer/layer-format.h has the format of both.
 * Without a parent, a unit that the last level says is in a parent stays in the parent: the layers
 * become one, over the parent of the last. If both descriptors are -1, nothing is read but maps and
 * the last image, and the report says what would be written.
 * report: size, data_bytes (of the data file), kept_bytes (bytes of units that are in the parent),
 * chunks (records), image_bytes (of the map).
 */
int gk_pack(const struct gk_level *levels, uint32_t count, const struct gk_level *parent,
	    uint32_t parent_count, int map_fd, int data_fd, struct gk_progress *progress,
	    struct gk_report *report);

/*
 * Put a ghost together from its layers. With a header (see gk_dump, chunked) to_fd becomes a ghost
 * image, without one the file itself; it is an empty regular file. Every unit is checked against the
 * digest that the first level's map has of it before it is written: -EBADMSG where it differs. Ranges
 * that lie on blocks are reflinked.
 * report: size, data_bytes, chunks, image_bytes (of an image), ways.
 */
int gk_unpack(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
	      uint64_t header_bytes, struct gk_progress *progress, struct gk_report *report);

/*
 * Check a layer as gk_unpack does, and write nothing. With one level, only what is in its own data.
 * report: size, data_bytes (checked), kept_bytes (in a parent that was not checked), chunks.
 */
int gk_check_layer(const struct gk_level *levels, uint32_t count, struct gk_progress *progress,
		   struct gk_report *report);

/* The name of a layer: BLAKE3 of its map, a file of any length. */
int gk_layer_name(int map_fd, struct gk_name *name, struct gk_report *report);

#endif

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

/*
 * One layer of a ghost: a whole image, or a map and data. The others are -1. given_fd is the record of
 * the units that it has given up, or -1. All units below given_below were given up, too.
 */
struct gk_level {
	int64_t image_fd, map_fd, data_fd, given_fd;
	uint64_t given_below;
};

struct gk_name {
	unsigned char bytes[32];
};

/*
 * Write a layer: what a ghost has, and of it only what its parent has not. The ghost is that of the
 * first of count levels, each of which needs the next. The parent is given in the same way, or
 * parent_count is 0. Units of 64 KiB are compared byte by byte. map_fd and data_fd are empty regular
 * files. native/engine/layer/layer-format.h has the format of both. Units that the first level has
 * given up get a record in the map, and a hole in the data.
 * Without a parent, a unit that the last level says is in a parent stays in the parent: the layers
 * become one, over the parent of the last. If both descriptors are -1, nothing is read but maps and
 * the last image, and the report says what would be written.
 * name: out, what gk_layer_name() gives for the map that was meant to be written, however the file is
 * changed afterwards. Nothing is put into it when nothing is written.
 * report: size, data_bytes (of the data file), kept_bytes (bytes of units that are in the parent),
 * chunks (records), image_bytes (of the map).
 */
int gk_pack(const struct gk_level *levels, uint32_t count, const struct gk_level *parent,
	    uint32_t parent_count, int map_fd, int data_fd, struct gk_name *name,
	    struct gk_progress *progress, struct gk_report *report);

/*
 * Put a ghost together from its layers. With a header (see gk_dump, chunked) to_fd becomes a ghost
 * image, without one the file itself; it is an empty regular file. Every unit is checked against the
 * digest that the first level's map has of it before it is written: -EBADMSG where it differs, and
 * -ENOLINK where a layer has given it up. Ranges that lie on blocks are reflinked.
 * report: size, data_bytes, chunks, image_bytes (of an image), ways.
 */
int gk_unpack(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
	      uint64_t header_bytes, struct gk_progress *progress, struct gk_report *report);

/* The units that one call of gk_unpack_part handles. */
struct gk_part {
	uint64_t first;	     /* to_fd has all units below it from earlier calls; 0: it is empty */
	uint64_t most_bytes; /* the call ends soon after it has written so many */
	/* Not 0: write nothing; compare what to_fd has below first, from unit check - 1 on. */
	uint64_t check;
	uint64_t next; /* out: the first unit that was not written */
	uint64_t done; /* out: 1 when there is none */
};

/*
 * gk_unpack in several calls, between which the layers may give up the units below part->next. The report of
 * the last call, which is done, is that of gk_unpack.
 */
int gk_unpack_part(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
		   uint64_t header_bytes, struct gk_part *part, struct gk_progress *progress,
		   struct gk_report *report);

/*
 * Find what level depth need not have any longer for the sake of the first level, which may be a whole
 * image here, and write the record of it: the units that its map has and that the first level does not
 * get from it. Units of an earlier record stay in it, with their taker; the others get taker. -ENOLINK
 * where the first level needs a unit that was given up before. record_fd is an empty regular file, or -1.
 * report: size (units given up by this call), chunks (ranges), and in bytes of its own data: data_bytes
 * (given up by this call), differing_bytes (by this and earlier ones), kept_bytes (that stay).
 */
int gk_give_up(const struct gk_level *levels, uint32_t count, uint32_t depth, int record_fd, uint32_t taker,
	       struct gk_progress *progress, struct gk_report *report);

/*
 * Punch holes into the data of a layer where its record says that units were given up. The record must be
 * on the disk. -EOPNOTSUPP where the file system cannot.
 * report: data_bytes (of these units), chunks (calls of fallocate(2)).
 */
int gk_punch(const struct gk_level *level, struct gk_progress *progress, struct gk_report *report);

/*
 * Check a layer as gk_unpack does, and write nothing. With one level, only what is in its own data. It goes
 * on behind a unit that is bad, and the message says how many are.
 * report, also on -EBADMSG: size, data_bytes (good), differing_bytes (bad), kept_bytes (in a parent that was
 * not checked), uncompared_bytes (given up by the first level).
 */
int gk_check_layer(const struct gk_level *levels, uint32_t count, struct gk_progress *progress,
		   struct gk_report *report);

/* The name of a layer: BLAKE3 of its map, a file of any length. */
int gk_layer_name(int map_fd, struct gk_name *name, struct gk_report *report);

#endif

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
 * Only whole blocks can be shared, and only of chunks that begin at the same offset within a block in
 * both images, as chunks of 64 KiB and more do. -EOPNOTSUPP where the file system shares no blocks, or
 * the images lie on two file systems.
 * report: size (of the ghost in to_fd), data_bytes (shared by this call), kept_bytes (shared before).
 */
int gk_share(int from_fd, int to_fd, struct gk_progress *progress, struct gk_report *report);

/* How many layers a ghost can have, the one that needs no parent included. */
#define GK_LEVELS_MAX 33

/*
 * One layer of a ghost: a whole image, or a map and data. The descriptors of the other form are -1.
 * given_fd is the record of the units that the layer has given up, or -1. All units below given_below
 * were given up, too.
 */
struct gk_level {
	int64_t image_fd, map_fd, data_fd, given_fd;
	uint64_t given_below;
};

struct gk_name {
	unsigned char bytes[32];
};

/*
 * Write a layer of a ghost: a map of all its units, and the data of those units that its parent has not.
 * The ghost is that of the first of count levels, each of which needs the next. The parent is given in
 * the same way, or parent_count is 0. Units of 64 KiB are compared byte by byte. map_fd and data_fd are
 * empty regular files. native/engine/layer/layer-format.h has the format of both. Units that the first
 * level has given up get a record in the map, and a hole in the data.
 * Without a parent, a unit that the last level says is in a parent stays there: all the layers become
 * one layer, whose parent is that of the last one. If map_fd and data_fd are -1, nothing is read but
 * maps and the last image, and the report says what would be written.
 * name: out, what gk_layer_name() gives for the map that was meant to be written, however the file is
 * changed afterwards. Nothing is put into it when nothing is written.
 * report: size, data_bytes (of the data file), kept_bytes (bytes of units that are in the parent),
 * chunks (records), image_bytes (of the map).
 */
int gk_pack(const struct gk_level *levels, uint32_t count, const struct gk_level *parent,
	    uint32_t parent_count, int map_fd, int data_fd, struct gk_name *name,
	    struct gk_progress *progress, struct gk_report *report);

/*
 * Put a ghost together from its layers. to_fd is an empty regular file. With a header (see gk_dump,
 * chunked) it becomes a ghost image, without one the ghost's file itself. Before a unit is written, it is
 * checked against the digest that the first level's map has of it: -EBADMSG where it differs, and
 * -ENOLINK where a layer has given it up. Ranges that lie on blocks are reflinked.
 * report: size, data_bytes, chunks, image_bytes (of an image), ways.
 */
int gk_unpack(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
	      uint64_t header_bytes, struct gk_progress *progress, struct gk_report *report);

/* The units that one call of gk_unpack_part handles. */
struct gk_part {
	uint64_t first;	     /* to_fd has all units below it from earlier calls; 0: it is empty */
	uint64_t most_bytes; /* the call ends soon after it has written this many bytes */
	/*
	 * If this is not 0, nothing is written. Instead the units from check - 1 on and below first, which
	 * to_fd has, are compared with their digests.
	 */
	uint64_t check;
	uint64_t next; /* out: the first unit that this call has not handled */
	uint64_t done; /* out: 1 when there is no such unit */
};

/*
 * gk_unpack in several calls, between which the layers may give up the units below part->next. The report of
 * the last call, which is done, is that of gk_unpack.
 */
int gk_unpack_part(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
		   uint64_t header_bytes, struct gk_part *part, struct gk_progress *progress,
		   struct gk_report *report);

/*
 * Find the units that level depth can give up, because the first level, which may be a whole image here,
 * does not get them from it. Write the record of what level depth has given up to record_fd, an empty
 * regular file, or -1 to write none. Units of an earlier record stay in the record, with the taker that
 * they have there; the new ones get taker. -ENOLINK where the first level needs a unit that was given up
 * before.
 * report: size (units given up by this call), chunks (ranges), and in bytes of its own data: data_bytes
 * (given up by this call), differing_bytes (by this and earlier ones), kept_bytes (that stay).
 */
int gk_give_up(const struct gk_level *levels, uint32_t count, uint32_t depth, int record_fd, uint32_t taker,
	       struct gk_progress *progress, struct gk_report *report);

/*
 * Punch holes into the data of a layer where its record says that units were given up. The record must be
 * on the disk. -EOPNOTSUPP where the file system cannot punch holes.
 * report: data_bytes (of these units), chunks (calls of fallocate(2)).
 */
int gk_punch(const struct gk_level *level, struct gk_progress *progress, struct gk_report *report);

/*
 * Check the units of a layer as gk_unpack does, and write nothing. If only one level is given, only units
 * in its own data are checked. The check goes on behind a bad unit, and the message says how many are bad.
 * report, also on -EBADMSG: size, data_bytes (good), differing_bytes (bad), kept_bytes (in a parent that was
 * not checked), uncompared_bytes (given up by the first level).
 */
int gk_check_layer(const struct gk_level *levels, uint32_t count, struct gk_progress *progress,
		   struct gk_report *report);

/* The name of a layer: BLAKE3 of its map, a file of any length. */
int gk_layer_name(int map_fd, struct gk_name *name, struct gk_report *report);

#endif

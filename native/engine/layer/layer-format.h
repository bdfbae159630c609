/* SPDX-License-Identifier: MIT */
/*
 * The numbers of a layer: the map and the data of one ghost in a packed directory. All numbers are
 * little-endian.
 *
 * The map begins with a head of 32 bytes: the magic, the ghost's size, the number of records, and
 * the bytes of data that belong to it, 8 bytes each. Then come the records, 48 bytes each, one for
 * each unit of 64 KiB of the ghost that is not all zero, in ascending order:
 *   8 bytes   number of the unit
 *   2 bytes   a bit for each block of 4 KiB that is not all zero, the first block being bit 0
 *   2 bytes   where the unit is: RECORD_HERE or RECORD_PARENT
 *   4 bytes   zero
 *   32 bytes  BLAKE3 of the unit's 64 KiB; bytes behind the ghost's end count as zero
 * A unit without a record is zero, whatever a parent has there.
 *
 * The data holds the blocks of the units that are here, one after the other and without gaps.
 *
 * A third file, the record of what was given up, says which units a layer no longer has, because a
 * child has replaced them. The ghost of such a layer cannot be put together any more. Holes in the
 * data say nothing: a copy may have filled them, or made others. The file begins with a head of 32
 * bytes: the magic, the number of ranges, the number of units in all of them, 8 bytes each, the
 * number of takers, 4 bytes, and 4 bytes of zero. Then come the ranges, 24 bytes each, in ascending
 * order:
 *   8 bytes   number of the first unit
 *   8 bytes   how many units
 *   4 bytes   the taker to whom they were given up: its place in the list of the manifest, from 1
 *   4 bytes   zero
 */
#ifndef GK_LAYER_FORMAT_H
#define GK_LAYER_FORMAT_H

#include <stdint.h>

#define LAYER_MAGIC "GKLAYER1"
#define LAYER_HEAD_BYTES 32
#define RECORD_BYTES 48

#define GIVEN_MAGIC "GKGIVEN1"
#define GIVEN_HEAD_BYTES 32
#define GIVEN_RANGE_BYTES 24

#define RECORD_HERE 1
#define RECORD_PARENT 2

#define UNIT_BYTES (UINT64_C(64) << 10)
#define UNIT_BLOCKS 16
#define BLOCK_BYTES (UNIT_BYTES / UNIT_BLOCKS)
#define DIGEST_BYTES 32

#endif

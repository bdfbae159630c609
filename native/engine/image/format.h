/* SPDX-License-Identifier: MIT */
/*
 * The numbers of CRIU's ghost image format. An image begins with two magics. Then come entries: a
 * little-endian 32-bit length and that many bytes of protobuf. The first entry is a
 * ghost_file_entry. The others are ghost_chunk_entries {len=1, off=2}, each followed directly by
 * its raw bytes.
 */
#ifndef GK_FORMAT_H
#define GK_FORMAT_H

#include <stdint.h>

#define MAGIC_IMG_COMMON UINT32_C(0x54564319)
#define MAGIC_GHOST_FILE UINT32_C(0x52583605)

#define MAGICS_BYTES 8
#define LENGTH_BYTES 4

/*
 * Our own field, which CRIU does not know and skips. It holds zeroes that move the raw bytes to an
 * aligned offset.
 */
#define PADDING_FIELD 18251

/* Upper limits: no entry that we write or that a known CRIU writes is as long. */
#define GHOST_ENTRY_MAX (UINT32_C(1) << 20)
#define CHUNK_ENTRY_MAX (UINT32_C(128) << 10)

/*
 * A chunk without raw bytes fills a gap that is too long for the padding of one header. The entry
 * of such a chunk, with its padding, has at least this length.
 */
#define FILLER_MIN (UINT32_C(32) << 10)

#endif

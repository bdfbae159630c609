/* SPDX-License-Identifier: MIT */
/*
 * CRIU's ghost image, in numbers. Two magics, then entries of a little-endian
 * 32-bit length and that many bytes of protobuf: one ghost_file_entry, then
 * ghost_chunk_entries {len=1, off=2}, each followed at once by its raw bytes.
 */
#ifndef GK_FORMAT_H
#define GK_FORMAT_H

#include <stdint.h>

#define MAGIC_IMG_COMMON UINT32_C(0x54564319)
#define MAGIC_GHOST_FILE UINT32_C(0x52583605)

#define MAGICS_BYTES 8
#define LENGTH_BYTES 4

/* Ours, unknown to CRIU and so skipped by it: zeroes that move the raw bytes. */
#define PADDING_FIELD 18251

/* More than an entry of ours, or of any CRIU seen, can have. */
#define GHOST_ENTRY_MAX (UINT32_C(1) << 20)
#define CHUNK_ENTRY_MAX (UINT32_C(128) << 10)

#endif

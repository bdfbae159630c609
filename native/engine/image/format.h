/* SPDX-License-Identifier: MIT */
/*
 * CRIU's ghost image, in numbers. Two magics, then entries of a little-endian
 * 32-bit length and that many bytes of protobuf: one ghost_file_entry, then
 * ghost_chunk_entries {len=1, off=2}, each followed at once by its raw bytes.
 */
#ifndef GK_IMAGE_H
#define GK_IMAGE_H

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

/* Fits length, off and len, without padding. */
#define CHUNK_HEADER_ROOM 32

/*
 * Encode length prefix and entry of an unpadded chunk; how many bytes they are.
 */
uint32_t encode_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset,
		      uint64_t length);

/*
 * The same for a chunk whose raw bytes have to begin at a multiple of align
 * when the header begins at position. The header ends in *zeroes zero bytes
 * that are not in the buffer.
 */
uint32_t encode_padded_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset,
			     uint64_t length, uint64_t position, uint64_t align,
			     uint64_t *zeroes);

#endif

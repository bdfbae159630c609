/* SPDX-License-Identifier: MIT */
/* What stands before the raw bytes of a chunk: format.h. */
#ifndef GK_CHUNK_HEADER_H
#define GK_CHUNK_HEADER_H

#include <stdint.h>

/* Fits length, off and len, without padding. */
#define CHUNK_HEADER_ROOM 32

/*
 * Encode length prefix and entry of an unpadded chunk; how many bytes they are.
 */
uint32_t encode_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length);

/*
 * The same for a chunk whose raw bytes have to begin at a multiple of align
 * when the header begins at position. The header ends in *zeroes zero bytes
 * that are not in the buffer.
 */
uint32_t encode_padded_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length,
			     uint64_t position, uint64_t align, uint64_t *zeroes);

#endif

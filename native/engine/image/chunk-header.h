/* SPDX-License-Identifier: MIT */
/* The header before the raw bytes of a chunk: see format.h. */
#ifndef GK_CHUNK_HEADER_H
#define GK_CHUNK_HEADER_H

#include <stdint.h>

/* Room for length, off and len, without padding. */
#define CHUNK_HEADER_ROOM 32

/* Encode the length prefix and the entry of an unpadded chunk. Returns their length in bytes. */
uint32_t encode_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length);

/*
 * The same for a chunk whose raw bytes have to begin at a multiple of align when its header begins
 * at position. The header ends in *zeroes zero bytes, which the caller writes: they are not in the
 * buffer.
 */
uint32_t encode_padded_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length,
			     uint64_t position, uint64_t align, uint64_t *zeroes);

/*
 * The same for a chunk whose header and padding have to be exactly `room` bytes long. Returns 0 when
 * no header has that length.
 */
uint32_t encode_chunk_filling(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length,
			      uint64_t room, uint64_t *zeroes);

#endif

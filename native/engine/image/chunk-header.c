// SPDX-License-Identifier: MIT
#include "image/chunk-header.h"
#include "image/format.h"

static uint32_t put_varint(unsigned char *to, uint64_t value)
{
	uint32_t used = 0;

	for (; value > 0x7f; value >>= 7)
		to[used++] = (unsigned char)(value | 0x80);
	to[used++] = (unsigned char)value;
	return used;
}

static uint32_t varint_bytes(uint64_t value)
{
	uint32_t used = 1;

	while (value >>= 7)
		used++;
	return used;
}

static void put_length(unsigned char *to, uint64_t value)
{
	int i;

	for (i = 0; i < LENGTH_BYTES; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

uint32_t encode_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length)
{
	uint32_t used = LENGTH_BYTES;

	header[used++] = 1 << 3; /* len, a varint */
	used += put_varint(header + used, length);
	header[used++] = 2 << 3; /* off, a varint */
	used += put_varint(header + used, offset);
	put_length(header, used - LENGTH_BYTES);
	return used;
}

uint32_t encode_chunk_filling(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length,
			      uint64_t room, uint64_t *zeroes)
{
	const uint32_t tag = PADDING_FIELD << 3 | 2;
	uint32_t used = encode_chunk(header, offset, length);
	uint32_t tag_bytes = varint_bytes(tag), size_bytes;

	*zeroes = 0;
	if (room == used)
		return used;
	for (size_bytes = 1; size_bytes <= 3; size_bytes++) {
		if (room < used + tag_bytes + size_bytes)
			break;
		*zeroes = room - used - tag_bytes - size_bytes;
		if (varint_bytes(*zeroes) != size_bytes)
			continue;
		used += put_varint(header + used, tag);
		used += put_varint(header + used, *zeroes);
		put_length(header, used + *zeroes - LENGTH_BYTES);
		return used;
	}
	return 0;
}

uint32_t encode_padded_chunk(unsigned char header[CHUNK_HEADER_ROOM], uint64_t offset, uint64_t length,
			     uint64_t position, uint64_t align, uint64_t *zeroes)
{
	uint64_t used = encode_chunk(header, offset, length);
	uint64_t room = used + (align - (position + used) % align) % align;

	/* If the padding's tag, its length and its zeroes cannot fill the room, take a block more. */
	for (;; room += align) {
		used = encode_chunk_filling(header, offset, length, room, zeroes);
		if (used)
			return (uint32_t)used;
	}
}

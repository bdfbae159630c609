// SPDX-License-Identifier: MIT
#include "layer/little-endian.h"

void put_le(unsigned char *to, uint64_t value, int bytes)
{
	for (; bytes; bytes--, value >>= 8)
		*to++ = (unsigned char)value;
}

uint64_t get_le(const unsigned char *from, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | from[bytes];
	return value;
}

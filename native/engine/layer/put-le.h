/* SPDX-License-Identifier: MIT */
/* Numbers of maps and records are little-endian on every machine. */
#ifndef GK_PUT_LE_H
#define GK_PUT_LE_H

#include <stdint.h>

static inline void put_le(unsigned char *to, uint64_t value, int count)
{
	for (; count; count--, value >>= 8)
		*to++ = (unsigned char)value;
}

#endif

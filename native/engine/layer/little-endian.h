/* SPDX-License-Identifier: MIT */
/* Numbers of maps and records are little-endian on every machine. */
#ifndef GK_LITTLE_ENDIAN_H
#define GK_LITTLE_ENDIAN_H

#include <stdint.h>

void put_le(unsigned char *to, uint64_t value, int bytes);
uint64_t get_le(const unsigned char *from, int bytes);

#endif

/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli, RFC 3720 B.4), computed by the processor's own instruction where it has one. */
#ifndef GK_CRC32C_H
#define GK_CRC32C_H

#include <stdbool.h>
#include <stdint.h>

struct crc32c {
	bool hardware;
	uint32_t state;
	uint32_t table[8][256]; /* without the instruction: eight bytes at once */
};

void crc32c_start(struct crc32c *crc, bool may_use_hardware);
void crc32c_add(struct crc32c *crc, const unsigned char *bytes, uint64_t length);
uint32_t crc32c_end(const struct crc32c *crc);

#endif

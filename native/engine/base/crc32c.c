// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/crc32c.h"

#define POLYNOMIAL UINT32_C(0x82f63b78) /* its bits are in reversed order */

static uint64_t le64(const unsigned char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

#ifdef __x86_64__
#include <nmmintrin.h>

#define WITH_SSE42 __attribute__((target("sse4.2")))

static bool have_hardware(void)
{
	return __builtin_cpu_supports("sse4.2");
}

WITH_SSE42 static uint32_t add_hardware(uint32_t state, const unsigned char *bytes, uint64_t length)
{
	uint64_t wide = state;

	for (; length >= 8; length -= 8, bytes += 8)
		wide = _mm_crc32_u64(wide, le64(bytes));
	state = (uint32_t)wide;
	for (; length > 0; length--)
		state = _mm_crc32_u8(state, *bytes++);
	return state;
}
#else
static bool have_hardware(void)
{
	return false;
}

static uint32_t add_hardware(uint32_t state, const unsigned char *bytes, uint64_t length)
{
	(void)bytes;
	(void)length;
	return state;
}
#endif

/* table[k][b]: what byte b does to the state when k more bytes follow it. */
static void make_table(struct crc32c *crc)
{
	uint32_t byte, k;

	for (byte = 0; byte < 256; byte++) {
		uint32_t value = byte;

		for (k = 0; k < 8; k++)
			value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
		crc->table[0][byte] = value;
	}
	for (byte = 0; byte < 256; byte++)
		for (k = 1; k < 8; k++) {
			uint32_t before = crc->table[k - 1][byte];

			crc->table[k][byte] = before >> 8 ^ crc->table[0][before & 0xff];
		}
}

static uint32_t add_table(const struct crc32c *crc, uint32_t state, const unsigned char *bytes,
			  uint64_t length)
{
	uint32_t k;

	for (; length >= 8; length -= 8, bytes += 8) {
		uint64_t word = le64(bytes) ^ state;

		state = 0;
		for (k = 0; k < 8; k++)
			state ^= crc->table[7 - k][word >> (8 * k) & 0xff];
	}
	for (; length > 0; length--)
		state = state >> 8 ^ crc->table[0][(state ^ *bytes++) & 0xff];
	return state;
}

void crc32c_start(struct crc32c *crc, bool may_use_hardware)
{
	crc->hardware = may_use_hardware && have_hardware();
	crc->state = UINT32_MAX;
	if (!crc->hardware)
		make_table(crc);
}

void crc32c_add(struct crc32c *crc, const unsigned char *bytes, uint64_t length)
{
	crc->state = crc->hardware ? add_hardware(crc->state, bytes, length) :
				     add_table(crc, crc->state, bytes, length);
}

uint32_t crc32c_end(const struct crc32c *crc)
{
	return ~crc->state;
}

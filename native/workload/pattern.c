// SPDX-License-Identifier: MIT
/*
 * Makes bytes that say where they belong. Every 8-byte word is a hash of the kind's name and of the
 * word's own place. So data that comes back shifted, from another ghost, or as zeroes is found at
 * its first byte.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pattern.h"
#include "workload.h"

/* The finalizer of splitmix64 (Steele, Lea, Flood: Fast Splittable PRNGs). */
static uint64_t word_at(uint64_t seed, uint64_t index)
{
	uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t fnv1a(uint64_t hash, const uint8_t *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

#define FNV_START 0xcbf29ce484222325ULL

uint64_t pattern_seed(const char *name)
{
	return fnv1a(FNV_START, (const uint8_t *)name, strlen(name));
}

void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *to, size_t length)
{
	size_t done = 0;

	while (done < length) {
		uint64_t word = word_at(seed, (offset + done) / 8);
		size_t skip = (offset + done) % 8;
		size_t part = 8 - skip;

		if (part > length - done)
			part = length - done;
		memcpy(to + done, (uint8_t *)&word + skip, part);
		done += part;
	}
}

int64_t pattern_compare(uint64_t seed, uint64_t offset, const uint8_t *bytes, size_t length)
{
	uint8_t expected[4096];
	size_t done = 0;

	while (done < length) {
		size_t part = length - done, i;

		if (part > sizeof(expected))
			part = sizeof(expected);
		pattern_fill(seed, offset + done, expected, part);
		if (memcmp(expected, bytes + done, part)) {
			for (i = 0; expected[i] == bytes[done + i]; i++)
				;
			return (int64_t)(offset + done + i);
		}
		done += part;
	}
	return -1;
}

int digest_file(int fd, uint64_t *digest)
{
	uint8_t buffer[65536];
	uint64_t offset = 0;
	ssize_t got;

	*digest = FNV_START;
	for (;;) {
		got = pread(fd, buffer, sizeof(buffer), (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return 0;
		*digest = fnv1a(*digest, buffer, (size_t)got);
		offset += (uint64_t)got;
	}
}

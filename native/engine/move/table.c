// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/report.h"
#include "blake3/blake3.h"
#include "move/table.h"

#define AT_ONCE 1024 /* entries that are read or written at once */

static bool is_all(const unsigned char *bytes, uint64_t length, unsigned char byte)
{
	return length == 0 || (bytes[0] == byte && !memcmp(bytes, bytes + 1, length - 1));
}

bool entry_is_zero(const unsigned char *entry)
{
	return is_all(entry, ENTRY_BYTES, 0);
}

bool entry_is_unknown(const unsigned char *entry)
{
	return is_all(entry, ENTRY_BYTES, 0xff);
}

void block_entry(const unsigned char *bytes, uint64_t length, unsigned char *entry)
{
	static const unsigned char zeroes[1024];
	blake3_hasher hasher;

	if (is_all(bytes, length, 0)) {
		memset(entry, 0, ENTRY_BYTES);
		return;
	}
	blake3_hasher_init(&hasher);
	blake3_hasher_update(&hasher, bytes, length);
	while (length < BLOCK_SIZE) {
		uint64_t rest = BLOCK_SIZE - length;
		uint64_t some = rest < sizeof(zeroes) ? rest : sizeof(zeroes);

		blake3_hasher_update(&hasher, zeroes, some);
		length += some;
	}
	blake3_hasher_finalize(&hasher, entry, ENTRY_BYTES);
}

void block_entries(const unsigned char *bytes, uint64_t length, unsigned char *entries)
{
	for (uint64_t at = 0; at < length; at += BLOCK_SIZE, entries += ENTRY_BYTES) {
		uint64_t rest = length - at;

		block_entry(bytes + at, rest < BLOCK_SIZE ? rest : BLOCK_SIZE, entries);
	}
}

void tags_bind(unsigned char *tags, const unsigned char *entry)
{
	for (unsigned int i = 0; i < BLOCK_TAGS_BYTES; i += sizeof(uint64_t)) {
		uint64_t word, other;

		memcpy(&word, tags + i, sizeof(word));
		memcpy(&other, entry + i % ENTRY_BYTES, sizeof(other));
		word += other;
		memcpy(tags + i, &word, sizeof(word));
	}
}

static int get(int fd, unsigned char *to, uint64_t length, uint64_t offset)
{
	int64_t got = read_full(fd, to, length, offset);

	if (got < 0)
		return (int)got;
	memset(to + got, 0, length - (uint64_t)got);
	return 0;
}

static int put(int fd, const unsigned char *from, uint64_t length, uint64_t offset)
{
	struct iovec piece = { (void *)(uintptr_t)from, length };

	return writev_full(fd, &piece, 1, offset);
}

int table_get(int fd, uint64_t first, uint64_t count, unsigned char *entries)
{
	return get(fd, entries, count * ENTRY_BYTES, first * ENTRY_BYTES);
}

int table_put(int fd, uint64_t first, uint64_t count, const unsigned char *entries)
{
	return put(fd, entries, count * ENTRY_BYTES, first * ENTRY_BYTES);
}

int tags_get(int fd, uint64_t first, uint64_t count, unsigned char *tags)
{
	return get(fd, tags, count * BLOCK_TAGS_BYTES, first * BLOCK_TAGS_BYTES);
}

int tags_put(int fd, uint64_t first, uint64_t count, const unsigned char *tags)
{
	return put(fd, tags, count * BLOCK_TAGS_BYTES, first * BLOCK_TAGS_BYTES);
}

int table_set_unknown(int fd, uint64_t first, uint64_t count)
{
	unsigned char unknown[AT_ONCE * ENTRY_BYTES];

	memset(unknown, 0xff, sizeof(unknown));
	while (count) {
		uint64_t some = count < AT_ONCE ? count : AT_ONCE;
		int error = table_put(fd, first, some, unknown);

		if (error)
			return error;
		first += some;
		count -= some;
	}
	return 0;
}

/* Move *at to the next data of the file. Returns 0 where there is none before end. */
static int to_data(int fd, uint64_t *at, uint64_t end)
{
	off_t data = lseek(fd, (off_t)*at, SEEK_DATA);

	if (data < 0 && errno == ENXIO)
		return 0;
	if (data < 0 && errno != EINVAL)
		return -errno;
	if (data >= 0)
		*at = (uint64_t)data - (uint64_t)data % ENTRY_BYTES;
	return *at < end;
}

int table_clear(int fd, uint64_t first, uint64_t count, bool unknown, uint64_t *changed)
{
	unsigned char entries[AT_ONCE * ENTRY_BYTES];
	off_t length = lseek(fd, 0, SEEK_END);
	uint64_t at = first * ENTRY_BYTES, end = (first + count) * ENTRY_BYTES;
	int more = 1;

	*changed = 0;
	if (length < 0)
		return -errno;
	if (end > (uint64_t)length)
		end = (uint64_t)length + (ENTRY_BYTES - (uint64_t)length % ENTRY_BYTES) % ENTRY_BYTES;
	while (at < end && (more = to_data(fd, &at, end)) > 0) {
		uint64_t some = (end - at) / ENTRY_BYTES < AT_ONCE ? (end - at) / ENTRY_BYTES : AT_ONCE;
		uint64_t before = *changed;
		int error = table_get(fd, at / ENTRY_BYTES, some, entries);

		if (error)
			return error;
		for (uint64_t i = 0; i < some; i++) {
			if (entry_is_zero(entries + i * ENTRY_BYTES))
				continue;
			memset(entries + i * ENTRY_BYTES, unknown ? 0xff : 0, ENTRY_BYTES);
			++*changed;
		}
		if (*changed != before)
			error = table_put(fd, at / ENTRY_BYTES, some, entries);
		if (error)
			return error;
		at += some * ENTRY_BYTES;
	}
	return more < 0 ? more : 0;
}

int table_digest(int fd, uint64_t first, uint64_t count, unsigned char *digest, bool *unknown)
{
	unsigned char entries[AT_ONCE * ENTRY_BYTES];
	blake3_hasher hasher;

	*unknown = false;
	blake3_hasher_init(&hasher);
	while (count) {
		uint64_t some = count < AT_ONCE ? count : AT_ONCE;
		int error = table_get(fd, first, some, entries);

		if (error)
			return error;
		for (uint64_t i = 0; i < some; i++)
			*unknown |= entry_is_unknown(entries + i * ENTRY_BYTES);
		blake3_hasher_update(&hasher, entries, some * ENTRY_BYTES);
		first += some;
		count -= some;
	}
	blake3_hasher_finalize(&hasher, digest, ENTRY_BYTES);
	return 0;
}

GK_PUBLIC int gk_table_put(int table_fd, uint64_t first, uint32_t count, const void *entries,
			   struct gk_report *report)
{
	int error = table_put(table_fd, first, count, entries);

	memset(report, 0, sizeof(*report));
	return error ? fail(report, error, first * ENTRY_BYTES, "cannot write the table of a ghost") : 0;
}

GK_PUBLIC int gk_table_digest(int table_fd, uint64_t first, uint32_t count, void *digest, uint32_t *unknown,
			      struct gk_report *report)
{
	bool is_unknown;
	int error = table_digest(table_fd, first, count, digest, &is_unknown);

	memset(report, 0, sizeof(*report));
	*unknown = is_unknown;
	return error ? fail(report, error, first * ENTRY_BYTES, "cannot read the table of a ghost") : 0;
}

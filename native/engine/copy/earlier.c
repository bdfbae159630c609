// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/io.h"
#include "base/page-cache.h"
#include "copy/earlier.h"

/*
 * Bytes are compared and written in blocks of this size. If no more than JOIN_BLOCKS equal blocks
 * lie between two blocks that differ, the equal ones are written, too, because that costs less than
 * another system call.
 */
#ifndef BLOCK
#define BLOCK UINT64_C(4096)
#endif
#ifndef JOIN_BLOCKS
#define JOIN_BLOCKS 3
#endif

/* Whether the earlier image is in memory is asked for in pieces of this size. */
#define PIECE_BYTES (UINT64_C(64) << 10)

/*
 * After GIVE_UP windows in a row without a byte to keep, only one window in PROBE is compared.
 * Writes shorter than SHORT_BYTES are always compared, and are not counted as windows: most of them
 * are headers, which say nothing about the data that follows.
 */
#define GIVE_UP 4
#define PROBE 8
#define SHORT_BYTES (UINT64_C(256) << 10)

#define BLOCKS_MAX (EARLIER_BYTES / BLOCK + 2)

enum verdict {
	KEPT,
	DIFFERS,
	UNCOMPARED,
};

/* A range of the image that is being written. Its blocks begin at multiples of BLOCK. */
struct over {
	int fd;
	uint64_t offset, end;
	const unsigned char *room; /* what the earlier image has there */
	uint8_t verdicts[BLOCKS_MAX];
};

static uint64_t after(uint64_t at, uint64_t unit, uint64_t end)
{
	uint64_t next = at - at % unit + unit;

	return next < end ? next : end;
}

static uint64_t block_of(const struct over *over, uint64_t at)
{
	return at / BLOCK - over->offset / BLOCK;
}

static void mark(struct over *over, uint64_t from, uint64_t to, enum verdict verdict)
{
	for (; from < to; from = after(from, BLOCK, to))
		over->verdicts[block_of(over, from)] = verdict;
}

/* Read a part of the earlier image. Bytes that cannot be read are written over without comparing. */
static void read_part(struct over *over, unsigned char *room, uint64_t from, uint64_t to)
{
	int64_t got = read_full(over->fd, room + (from - over->offset), to - from, from);
	uint64_t reached = got < 0 ? from : from + (uint64_t)got;

	mark(over, reached, to, UNCOMPARED);
}

/*
 * Read the pieces of the earlier image that are in memory. The others are not compared, because
 * reading them from the disk takes longer than writing over them.
 */
static void read_what_is_in_memory(struct over *over, unsigned char *room)
{
	uint64_t from, to, begin = over->offset;

	if (is_in_memory(over->fd, over->offset, over->end - over->offset)) {
		read_part(over, room, over->offset, over->end);
		return;
	}
	for (from = over->offset; from < over->end; from = to) {
		to = after(from, PIECE_BYTES, over->end);
		if (is_in_memory(over->fd, from, to - from))
			continue;
		mark(over, from, to, UNCOMPARED);
		read_part(over, room, begin, from);
		begin = to;
	}
	read_part(over, room, begin, over->end);
}

static void compare(struct over *over, const struct iovec *pieces, int count)
{
	uint64_t at = over->offset, to, end;
	const unsigned char *new;

	for (; count > 0; count--, pieces++) {
		new = pieces->iov_base;
		end = at + pieces->iov_len;
		for (; at < end; new += to - at, at = to) {
			uint8_t *verdict = &over->verdicts[block_of(over, at)];

			to = after(at, BLOCK, end);
			if (*verdict == KEPT && memcmp(new, over->room + (at - over->offset), to - at))
				*verdict = DIFFERS;
		}
	}
}

/* Write the bytes of [from, to). The pieces, one after the other, begin at over->offset. */
static int write_part(const struct over *over, const struct iovec *pieces, uint64_t from, uint64_t to)
{
	struct iovec some[64];
	uint64_t at = over->offset, start = from;
	int error = 0, count = 0;

	for (; at < to && !error; at += pieces++->iov_len) {
		uint64_t first = from > at ? from : at;
		uint64_t last = to < at + pieces->iov_len ? to : at + pieces->iov_len;

		if (first >= last)
			continue;
		some[count++] =
			(struct iovec){ (unsigned char *)pieces->iov_base + (first - at), last - first };
		if (count == 64) {
			error = writev_full(over->fd, some, count, start);
			start = last;
			count = 0;
		}
	}
	return error ? error : writev_full(over->fd, some, count, start);
}

/* The end of the run of blocks, from at on, that are written together. */
static uint64_t end_of_run(const struct over *over, uint64_t at)
{
	uint64_t end = at, same = 0;

	for (; at < over->end && same <= JOIN_BLOCKS; at = after(at, BLOCK, over->end)) {
		if (over->verdicts[block_of(over, at)] == KEPT) {
			same++;
			continue;
		}
		same = 0;
		end = after(at, BLOCK, over->end);
	}
	return end;
}

static void count(struct over *over, uint64_t from, uint64_t to, struct earlier *earlier)
{
	uint64_t next;

	for (; from < to; from = next) {
		next = after(from, BLOCK, to);
		if (over->verdicts[block_of(over, from)] == UNCOMPARED)
			earlier->uncompared += next - from;
		else
			earlier->differing += next - from;
	}
}

static int write_differing(struct over *over, const struct iovec *pieces, struct earlier *earlier)
{
	uint64_t at = over->offset, end;
	int error = 0;

	while (at < over->end && !error) {
		if (over->verdicts[block_of(over, at)] == KEPT) {
			at = after(at, BLOCK, over->end);
			continue;
		}
		end = end_of_run(over, at);
		count(over, at, end, earlier);
		error = write_part(over, pieces, at, end);
		at = end;
	}
	return error;
}

static bool is_worth_comparing(const struct earlier *earlier, uint64_t bytes)
{
	if (bytes > EARLIER_BYTES)
		return false;
	return bytes < SHORT_BYTES || earlier->misses < GIVE_UP || (earlier->misses - GIVE_UP) % PROBE == 0;
}

int writev_changed(int fd, struct iovec *pieces, int count, uint64_t offset, struct earlier *earlier)
{
	struct over over = { .fd = fd, .offset = offset, .end = offset, .room = earlier->room };
	uint64_t before = earlier->differing + earlier->uncompared, bytes, kept;
	int i, error;

	for (i = 0; i < count; i++)
		over.end += pieces[i].iov_len;
	bytes = over.end - offset;
	if (!earlier->room)
		return writev_full(fd, pieces, count, offset);
	if (!is_worth_comparing(earlier, bytes)) {
		earlier->uncompared += bytes;
		earlier->misses++;
		return writev_full(fd, pieces, count, offset);
	}
	read_what_is_in_memory(&over, earlier->room);
	compare(&over, pieces, count);
	error = write_differing(&over, pieces, earlier);
	kept = bytes + before - earlier->differing - earlier->uncompared;
	earlier->kept += kept;
	if (bytes >= SHORT_BYTES)
		earlier->misses = kept ? 0 : earlier->misses + 1;
	return error;
}

void earlier_add(struct earlier *earlier, const struct earlier *other)
{
	earlier->kept += other->kept;
	earlier->differing += other->differing;
	earlier->uncompared += other->uncompared;
}

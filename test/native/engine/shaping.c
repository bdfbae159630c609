// SPDX-License-Identifier: MIT
/* Ghost images that are made of content where it lies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "ghostkeep.h"
#include "tap.h"

#define BLOCK GK_MOVE_BLOCK_BYTES
#define BLOCKS 60
#define RUNS 40

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

/* Random blocks of data, and holes of random length between them, in two files. */
static uint64_t fill(int data, int copy, uint64_t *state, uint32_t share)
{
	static unsigned char block[BLOCK];
	uint64_t size = (2 + next(state) % (BLOCKS - 2)) * BLOCK + next(state) % 3 * (next(state) % BLOCK);

	for (uint64_t at = 0; at < size; at += BLOCK) {
		uint64_t length = size - at < BLOCK ? size - at : BLOCK;

		if (next(state) % 100 >= share)
			continue;
		memset(block, 1 + (int)(next(state) % 255), sizeof(block));
		expect(pwrite(data, block, length, (off_t)at) == (ssize_t)length &&
			       pwrite(copy, block, length, (off_t)at) == (ssize_t)length,
		       "no room");
	}
	expect(!ftruncate(data, (off_t)size) && !ftruncate(copy, (off_t)size), "truncate");
	return size;
}

static void check_image(const struct place *place, int image, int copy, uint64_t size)
{
	int restored = ghost_in(place);
	struct gk_report report;

	expect(!gk_check(image, NULL, &report) && report.size == size, "check: %s", report.message);
	expect(!gk_restore(image, restored, NULL, &report), "restore: %s", report.message);
	expect(first_difference(restored, copy, size) == size &&
		       first_difference(copy, restored, size) == size,
	       "a difference at %lu of %lu", (unsigned long)first_difference(restored, copy, size),
	       (unsigned long)size);
	close(restored);
}

static void shape_once(const struct place *place, uint64_t *state, uint32_t share)
{
	int data = ghost_in(place), copy = ghost_in(place), table = ghost_in(place);
	uint64_t size = fill(data, copy, state, share), runs[2 * RUNS];
	struct gk_report report;
	unsigned char head[128];
	uint32_t bytes = make_head(head, size, true), count;
	struct stat about;

	expect(!gk_table_make(data, table, NULL, &report), "table: %s", report.message);
	expect(!gk_shape_runs(table, size, runs, RUNS, &count, &report), "runs: %s", report.message);
	/* An attempt that ended too early has left a tail elsewhere. */
	if (next(state) % 2)
		expect(pwrite(data, "tail", 4, (off_t)(size + next(state) % (3 * BLOCK))) == 4, "tail");
	expect(!gk_shape_tail(data, size, bytes, runs, count, &report), "tail: %s", report.message);
	expect(first_difference(data, copy, size) == size, "the tail has changed the content");
	/* It may be repeated when a part of it was written. */
	for (int time = 0; time < 2; time++)
		expect(!gk_shape_heads(data, size, head, bytes, runs, count, &report), "heads: %s",
		       report.message);
	check_image(place, data, copy, size);
	expect(!fstat(data, &about) && about.st_size <= (off_t)(size + BLOCK + 3 * 4096), "%ld bytes",
	       (long)about.st_size);
	close(data);
	close(copy);
	close(table);
}

static void refused_case(const struct place *place)
{
	int data = ghost_in(place);
	uint64_t good[2] = { 0, 4 }, late[2] = { 1, 4 }, far[2] = { 0, 5 }, touching[4] = { 0, 2, 2, 4 };
	struct gk_report report;
	struct stat about;

	begin(place->name, "images that cannot be made where the content is");
	expect(!ftruncate(data, 4 * BLOCK), "truncate");
	expect(gk_shape_tail(data, 4 * BLOCK, 100, late, 1, &report) == -EOPNOTSUPP, "a late run");
	expect(gk_shape_tail(data, 4 * BLOCK, 100, far, 1, &report) == -EOPNOTSUPP, "a run behind the end");
	expect(gk_shape_tail(data, 4 * BLOCK, 100, touching, 2, &report) == -EOPNOTSUPP, "runs that touch");
	expect(gk_shape_tail(data, 4 * BLOCK, BLOCK, good, 1, &report) == -EOPNOTSUPP, "a long head");
	expect(gk_shape_tail(data, BLOCK, 100, good, 1, &report) == -EOPNOTSUPP, "a small ghost");
	expect(gk_shape_tail(data, 4 * BLOCK, 100, good, 0, &report) == -EOPNOTSUPP, "no run");
	expect(!fstat(data, &about) && about.st_size == 4 * BLOCK, "something was changed");
	close(data);
}

void shaping_cases(const struct place *place)
{
	static const uint32_t shares[] = { 100, 90, 50, 10, 0 };
	uint64_t state = 88172645463325252;

	begin(place->name, "images that are made of content where it lies");
	for (uint32_t i = 0; i < sizeof(shares) / sizeof(*shares); i++)
		for (int time = 0; time < 40; time++)
			shape_once(place, &state, shares[i]);
	refused_case(place);
}

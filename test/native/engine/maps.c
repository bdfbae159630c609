// SPDX-License-Identifier: MIT
/* A FIEMAP that gives up in the middle of a file, and maps that no file system should give. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"
#include "wrap.h"

#define DATA_BYTES (16u << 20)	 /* 2048 extents: four batches */
#define SIZE (DATA_BYTES + 8192) /* and a fifth, empty one, for the hole at the end */

static unsigned int fails_at;
static int fails_with, lie;

static int give_up(int fd, struct fiemap *map)
{
	(void)fd;
	(void)map;
	if (calls.fiemap != fails_at)
		return STAND_ASIDE;
	errno = fails_with;
	return -1;
}

static off_t no_seek(int fd, off_t offset, int whence)
{
	(void)fd;
	(void)offset;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return STAND_ASIDE;
	errno = EINVAL;
	return -1;
}

static void giving_up(const struct place *place, int fd, const struct gk_extent *truth, uint32_t many)
{
	static const int errors[] = { EOPNOTSUPP, ENOTTY, EBADR, EINVAL };
	struct gk_extent *extents = calloc(many + 1, sizeof(*extents));
	struct gk_report report;
	uint32_t count, i, e;
	uint64_t next;

	for (e = 0; e < 4; e++)
		for (fails_at = 1; fails_at <= 5; fails_at++) {
			begin(place->name, "fiemap fails with %s at call %u", strerror(errors[e]), fails_at);
			fails_with = errors[e];
			stand_in_nowhere();
			stand_in.fiemap = give_up;
			stand_in.lseek = e == 1 ? no_seek : NULL;
			expect(!gk_extents(fd, GK_ENGINE_FIEMAP, SIZE, 0, extents, many + 1, &count, &next,
					   &report),
			       "%s", report.message);
			expect(report.fallbacks == (e == 1 ? 2 : 1) &&
				       report.engine == GK_ENGINE_FIEMAP + report.fallbacks,
			       "%u fallbacks to engine %u", report.fallbacks, report.engine);
			expect(strstr(report.message, "it was asked for; fiemap gave up at offset ") &&
				       (e == 1 || strstr(report.message, strerror(errors[e]))),
			       "%s", report.message);
			expect(count == many, "%u extents of %u", count, many);
			for (i = 0; i < count && i < many; i++)
				expect(extents[i].offset == truth[i].offset &&
					       extents[i].length == truth[i].length,
				       "extent %u is %lu+%lu", i, extents[i].offset, extents[i].length);
		}
	begin(place->name, "after an I/O error the next engine is not tried");
	fails_at = 2;
	fails_with = EIO;
	stand_in_nowhere();
	stand_in.fiemap = give_up;
	expect(gk_extents(fd, GK_ENGINE_FIEMAP, SIZE, 0, extents, many, &count, &next, &report) == -EIO, "%s",
	       report.message);
	stand_in_nowhere();
	free(extents);
}

static void answer(struct fiemap *map, uint64_t logical, uint64_t length, uint32_t flags)
{
	map->fm_extents[map->fm_mapped_extents++] =
		(struct fiemap_extent){ .fe_logical = logical, .fe_length = length, .fe_flags = flags };
}

enum {
	PAST_END,
	BEFORE_START,
	ZERO_LENGTH,
	STANDING,
	BACKWARDS,
	OVERLAPPING,
	OVERFLOWING,
	TOO_MANY,
	ALL_LAST,
	ALL_UNWRITTEN,
	LIES,
};
static const char *const lies[LIES] = {
	"a batch wholly past the end",
	"extents from before the start",
	"zero lengths",
	"the same answer for ever",
	"backwards",
	"overlapping",
	"an extent that overflows",
	"more extents than there is room for",
	"FE_LAST on every extent",
	"everything unwritten",
};

/* The file holds data at [1M, 2M) and [3M, 3M + 4K). */
static int tell_lie(int fd, struct fiemap *map)
{
	const uint64_t M = 1 << 20, start = map->fm_start;

	(void)fd;
	if (calls.fiemap > 10000) {
		printf("Bail out! asks for ever: %s\n", lies[lie]);
		_exit(1);
	}
	map->fm_mapped_extents = 0;
	switch (lie) {
	case PAST_END:
		if (start < 2 * M)
			answer(map, M, M, 0);
		else if (start < 3 * M + 4096)
			answer(map, 3 * M, 4096, 0);
		else
			answer(map, start + 64 * M, 4096, 0);
		break;
	case BEFORE_START:
		answer(map, 0, M / 2, FIEMAP_EXTENT_UNWRITTEN);
		answer(map, M, M, 0);
		if (start >= 2 * M)
			answer(map, 3 * M, 5 * M, 0);
		break;
	case ZERO_LENGTH:
		if (start < 2 * M) {
			answer(map, 0, 0, 0);
			answer(map, M, M, 0);
			answer(map, 2 * M, 0, 0);
		} else {
			answer(map, 3 * M, 0, 0);
		}
		break;
	case STANDING:
		answer(map, M, M, 0);
		break;
	case BACKWARDS:
		answer(map, 3 * M, 4096, 0);
		answer(map, M, M, 0);
		break;
	case OVERLAPPING:
		answer(map, 0, 3 * M / 2, FIEMAP_EXTENT_UNWRITTEN);
		answer(map, M, M, 0);
		answer(map, M, 4 * M, 0);
		break;
	case OVERFLOWING:
		answer(map, M, UINT64_MAX, 0);
		break;
	case TOO_MANY:
		map->fm_mapped_extents = map->fm_extent_count + 1;
		break;
	case ALL_LAST:
		if (start < 2 * M)
			answer(map, M, M, FIEMAP_EXTENT_LAST);
		else if (start < 3 * M + 4096)
			answer(map, 3 * M, 4096, FIEMAP_EXTENT_LAST);
		break;
	case ALL_UNWRITTEN:
		if (start == 0)
			answer(map, 0, 4 * M, FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_LAST);
		break;
	}
	return 0;
}

static void lying(const struct place *place)
{
	static unsigned char bytes[1 << 20];
	int fd = ghost_in(place);

	memset(bytes, 5, sizeof(bytes));
	expect(!ftruncate(fd, 4 << 20) && pwrite(fd, bytes, 1 << 20, 1 << 20) == 1 << 20 &&
		       pwrite(fd, bytes, 4096, 3 << 20) == 4096,
	       "write");
	for (lie = 0; lie < LIES; lie++) {
		begin(place->name, "the map lies: %s", lies[lie]);
		stand_in_nowhere();
		stand_in.fiemap = tell_lie;
		compare_extents(fd, 4 << 20, GK_ENGINE_FIEMAP);
		calls.fiemap = 0;
		compare_round_trip(place, fd, 4 << 20, GK_ENGINE_FIEMAP, true);
	}
	stand_in_nowhere();
	close(fd);
}

void fiemap_cases(const struct place *place)
{
	uint32_t many = DATA_BYTES / 8192, i;
	struct gk_extent *truth = calloc(many, sizeof(*truth));
	static unsigned char bytes[4096];
	int fd = ghost_in(place);

	memset(bytes, 3, sizeof(bytes));
	for (i = 0; i < many; i++) {
		truth[i] = (struct gk_extent){ .offset = i * 8192ul + 4096, .length = 4096 };
		if (pwrite(fd, bytes, 4096, (off_t)truth[i].offset) != 4096)
			wrong("write: %m");
	}
	expect(!ftruncate(fd, SIZE), "truncate");
	giving_up(place, fd, truth, many);
	lying(place);
	free(truth);
	close(fd);
}

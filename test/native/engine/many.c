// SPDX-License-Identifier: MIT
/*
 * A million extents in bounded memory. Their map is made up, 64 bytes in
 * every 128, so that the file stays small.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"
#include "wrap.h"

#define EXTENTS UINT64_C(1000000)
#define SIZE (EXTENTS * 128)
#ifdef __SANITIZE_ADDRESS__
#define RSS_LIMIT_KIB (400 << 10) /* with shadow memory and quarantine */
#else
#define RSS_LIMIT_KIB (64 << 10)
#endif

static off_t half_of_each(int fd, off_t offset, int whence)
{
	(void)fd;
	if (whence == SEEK_DATA)
		return offset % 128 < 64 ? offset : (offset / 128 + 1) * 128;
	if (whence == SEEK_HOLE)
		return offset % 128 < 64 ? offset / 128 * 128 + 64 : offset;
	return STAND_ASIDE;
}

static int half_of_each_mapped(int fd, struct fiemap *map)
{
	uint64_t at = (map->fm_start + 127) / 128 * 128;
	uint32_t n = 0;

	(void)fd;
	for (; n < map->fm_extent_count && at < SIZE; at += 128)
		map->fm_extents[n++] = (struct fiemap_extent){ .fe_logical = at, .fe_length = 64 };
	map->fm_mapped_extents = n;
	return 0;
}

static int dump_many(const struct place *place, uint32_t engine)
{
	int ghost = ghost_in(place), image = ghost_in(place), file = ghost_in(place);
	struct gk_report report;
	unsigned char head[128];

	stand_in.lseek = half_of_each;
	stand_in.fiemap = half_of_each_mapped;
	if (ftruncate(ghost, SIZE) < 0)
		return 1;
	if (gk_dump(ghost, image, engine, SIZE, head, make_head(head, SIZE, true), 1, NULL, &report) ||
	    report.chunks != EXTENTS || report.data_bytes != EXTENTS * 64 || gk_check(image, NULL, &report) ||
	    report.chunks != EXTENTS || gk_restore(image, file, NULL, &report) || report.chunks != EXTENTS) {
		printf("#   %lu chunks, %s\n", report.chunks, report.message);
		return 1;
	}
	return 0;
}

void many_cases(const struct place *place)
{
	uint32_t engine;

	for (engine = GK_ENGINE_FIEMAP; engine <= GK_ENGINE_SEEK; engine++) {
		struct rusage usage;
		int status;
		pid_t child;

		begin(place->name, "a million extents, engine %u, under %d MiB", engine, RSS_LIMIT_KIB >> 10);
		fflush(stdout);
		malloc_trim(0); /* a child begins with what the cases before have left */
		child = fork();
		if (child == 0)
			_exit(dump_many(place, engine));
		expect(wait4(child, &status, 0, &usage) == child && status == 0, "status %x", status);
		expect(usage.ru_maxrss < RSS_LIMIT_KIB, "%ld KiB", usage.ru_maxrss);
	}
}

// SPDX-License-Identifier: MIT
/*
 * Space that is allocated without data is listed and allocated in another file; data that is zero
 * can be left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"
#include "wrap.h"

#define MIB (1 << 20)
#define BLOCK 4096

static uint64_t allocated(int fd)
{
	struct stat about;

	return fstat(fd, &about) == 0 ? (uint64_t)about.st_blocks * 512 : 0;
}

/*
 * Dump, restore, and allocate the listed ranges again, ROOM ranges in each call: then as much is
 * allocated as before.
 */
static void comes_back(const struct place *place, int fd, uint64_t size, uint32_t room)
{
	int image = scratch_in(place), file = scratch_in(place);
	struct gk_extent extents[8];
	struct gk_report report;
	unsigned char head[128];
	uint64_t next = 0, listed = 0;
	uint32_t count, i;

	fsync(fd);
	expect(!gk_dump(fd, image, GK_ENGINE_AUTO, size, head, make_head(head, size, true), GK_DUMP_CHUNKED,
			NULL, &report) &&
		       !gk_restore(image, file, NULL, &report),
	       "%s", report.message);
	do {
		if (!expect(!gk_allocation(fd, size, next, extents, room, &count, &next, &report), "%s",
			    report.message))
			break;
		for (i = 0; i < count; i++) {
			listed += extents[i].length;
			expect(!gk_allocate(file, extents[i].offset, extents[i].length, &report), "%s",
			       report.message);
		}
	} while (next);
	fsync(file);
	expect(listed > 0, "nothing was listed");
	expect(first_difference(fd, file, size) == size, "differs at %lu", first_difference(fd, file, size));
	expect((uint64_t)lseek(file, 0, SEEK_END) == size, "another size");
	/*
	 * The blocks of extent trees are counted as well, and there may be a few more or fewer of
	 * them.
	 */
	expect(allocated(file) + 4 * BLOCK >= allocated(fd) && allocated(file) <= allocated(fd) + 4 * BLOCK,
	       "%lu bytes allocated, %lu before", allocated(file), allocated(fd));
	close(image);
	close(file);
}

static void keep_size(const struct place *place)
{
	int fd = ghost_in(place), i;

	begin(place->name, "allocation comes back: KEEP_SIZE past the end");
	expect(pwrite(fd, "data", 4, 100) == 4 && !fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 * MIB), "%m");
	comes_back(place, fd, 104, 8);
	close(fd);

	begin(place->name, "allocation comes back: between data, one range a call");
	fd = ghost_in(place);
	expect(!fallocate(fd, 0, 0, 8 * MIB), "%m");
	for (i = 0; i < 16; i++)
		expect(pwrite(fd, "x", 1, i * MIB / 2) == 1, "%m");
	comes_back(place, fd, 8 * MIB, 1);
	close(fd);
}

static void no_map(const struct place *place)
{
	struct gk_extent extent;
	struct gk_report report;
	uint64_t next;
	uint32_t count;
	int fd = ghost_in(place);

	begin(place->name, "listing allocated space fails without FIEMAP");
	expect(!fallocate(fd, 0, 0, MIB), "%m");
	expect(gk_allocation(fd, MIB, 0, &extent, 1, &count, &next, &report) == -EOPNOTSUPP, "%s",
	       report.message);
	close(fd);
}

static int endless(int fd, struct fiemap *map)
{
	(void)fd;
	if (map->fm_extent_count == 0)
		return STAND_ASIDE;
	map->fm_mapped_extents = 1;
	map->fm_extents[0] = (struct fiemap_extent){
		.fe_logical = 0,
		.fe_length = 4096,
		.fe_flags = FIEMAP_EXTENT_UNWRITTEN,
	};
	return 0;
}

static void lies(const struct place *place)
{
	struct gk_extent extents[4];
	struct gk_report report;
	uint64_t next;
	uint32_t count;
	int fd = ghost_in(place);

	begin(place->name, "listing allocated space ends if the map goes in a circle");
	stand_in_nowhere();
	stand_in.fiemap = endless;
	expect(!gk_allocation(fd, MIB, 0, extents, 4, &count, &next, &report) && count == 1 && next == 0,
	       "%u extents, next %lu: %s", count, next, report.message);
	stand_in_nowhere();
	expect(gk_allocate(fd, INT64_MAX, 2, &report) == -EINVAL, "%s", report.message);
	close(fd);
}

/* 1 MiB of zeroes that were written, with one other byte in it. */
static void zeroes(const struct place *place)
{
	int fd = ghost_in(place), image = scratch_in(place);
	static const char none[MIB];
	struct gk_report report;
	unsigned char head[128];

	begin(place->name, "zeroes inside data are left out on request");
	expect(pwrite(fd, none, MIB, 0) == MIB && pwrite(fd, "x", 1, 5 * BLOCK + 17) == 1, "%m");
	expect(!gk_dump(fd, image, GK_ENGINE_SEEK, MIB, head, make_head(head, MIB, true),
			GK_DUMP_CHUNKED | GK_DUMP_DETECT_ZEROES, NULL, &report) &&
		       report.data_bytes == BLOCK && report.chunks == 1,
	       "%lu bytes in %lu chunks %s", report.data_bytes, report.chunks, report.message);
	expect(ftruncate(image, 0) == 0, "%m");
	expect(!gk_dump(fd, image, GK_ENGINE_SEEK, MIB, head, make_head(head, MIB, true), GK_DUMP_CHUNKED,
			NULL, &report) &&
		       report.data_bytes == MIB,
	       "unasked: %lu bytes %s", report.data_bytes, report.message);
	close(image);
	close(fd);
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

static void holes_without_a_map(const struct place *place)
{
	const uint64_t size = GK_READ_HOLES_MAX + (8 << 20);
	struct gk_extent extents[2];
	struct gk_report report;
	unsigned char head[128];
	uint64_t next;
	uint32_t count;
	int fd = ghost_in(place), image = scratch_in(place);

	begin(place->name, "64 GiB of holes are read only if the read engine is asked for");
	if (ftruncate(fd, (off_t)size) < 0) {
		skip("%s", strerror(errno));
		goto out;
	}
	stand_in_nowhere();
	stand_in.lseek = no_seek;
	expect(gk_dump(fd, image, GK_ENGINE_SEEK, size, head, make_head(head, size, true), GK_DUMP_CHUNKED,
		       NULL, &report) == -EOVERFLOW &&
		       strstr(report.message, "64 GiB of holes") && strstr(report.message, "seek gave up"),
	       "%s", report.message);
	stand_in_nowhere();
	/*
	 * If the read engine is asked for by name, it reads the holes. The call is cancelled,
	 * which shows that it has begun.
	 */
	expect(ftruncate(image, 0) == 0, "%m");
	expect(gk_dump(fd, image, GK_ENGINE_READ, size, head, make_head(head, size, true), GK_DUMP_CHUNKED,
		       &(struct gk_progress){ .cancel = 1 }, &report) == -ECANCELED,
	       "%s", report.message);
	expect(!gk_extents(fd, GK_ENGINE_SEEK, size, 0, extents, 2, &count, &next, &report) &&
		       !strcmp(report.message, "it was asked for"),
	       "%s", report.message);
out:
	close(image);
	close(fd);
}

void allocation_cases(const struct place *place)
{
	if (place->has_map)
		keep_size(place);
	else
		no_map(place);
	zeroes(place);
	holes_without_a_map(place);
	if (place->has_map)
		lies(place);
}

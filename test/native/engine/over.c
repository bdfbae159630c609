// SPDX-License-Identifier: MIT
/*
 * A dump over an earlier image of the ghost: the image has what the ghost has now, and no more is
 * written than needed.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "heap.h"
#include "tap.h"
#include "wrap.h"

#define SIZE (UINT64_C(6) << 20)
#define WINDOW (UINT64_C(1) << 20)
#define BLOCK 4096 /* what differs is written in such blocks */

static unsigned char pattern[WINDOW];

static void put(int fd, uint64_t offset, uint64_t length)
{
	expect(pwrite(fd, pattern, length, (off_t)offset) == (ssize_t)length, "write: %m");
}

static void nothing(int fd)
{
	(void)fd;
}

static void one_byte_of_many(int fd)
{
	expect(pwrite(fd, "", 1, (2 << 20) + 77) == 1, "write: %m");
}

static void one_byte_of_few(int fd)
{
	expect(pwrite(fd, "", 1, (5 << 20) + 9000) == 1, "write: %m");
}

static void hole_filled(int fd)
{
	expect(pwrite(fd, "", 1, (5 << 20) + 5000) == 1, "write: %m");
}

static void grown(int fd)
{
	put(fd, SIZE + 100000, 5000);
}

static void shrunk(int fd)
{
	expect(ftruncate(fd, 4 << 20) == 0, "truncate: %m");
}

static void emptied(int fd)
{
	expect(ftruncate(fd, 0) == 0, "truncate: %m");
}

static void punched(int fd)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 65536) < 0)
		remark("no holes are punched here: %m");
}

/* The gap is longer than the padding of one header may be. */
static void punched_much(int fd)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 512 << 10, 512 << 10) < 0)
		remark("no holes are punched here: %m");
}

static void punched_at_the_front(int fd)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536) < 0)
		remark("no holes are punched here: %m");
}

static void filled(int fd)
{
	put(fd, (4 << 20) + 4096, 65536);
}

static const struct timespec long_ago[2] = { { 1, 0 }, { 1, 0 } };

static const struct {
	const char *name;
	void (*change)(int fd);
	uint64_t rewritten; /* at most, of the image; 0: nothing may be written at all */
} changes[] = {
	{ "nothing has changed", nothing, 0 },
	{ "a byte in a large range", one_byte_of_many, BLOCK },
	{ "a byte among small ranges", one_byte_of_few, BLOCK },
	{ "a hole among small ranges is filled", hole_filled, 2 * BLOCK + 100 },
	{ "grown", grown, 2 * WINDOW },
	{ "shrunk", shrunk, 2 * WINDOW },
	{ "emptied", emptied, UINT64_MAX },
	{ "a hole in a large range", punched, 65536 + 4 * BLOCK },
	{ "a long hole in a large range", punched_much, (512 << 10) + 4 * BLOCK },
	{ "a hole at the front", punched_at_the_front, 65536 + 4 * BLOCK },
	{ "data where there was none", filled, 65536 + 4 * BLOCK },
};

/* Data in large ranges, a hole, and data in small ranges with holes between them. */
static void make(int fd)
{
	uint64_t at;

	for (at = 0; at < 4 << 20; at += WINDOW)
		put(fd, at, WINDOW);
	for (at = 5 << 20; at < SIZE; at += 8192)
		put(fd, at, 4096);
	expect(ftruncate(fd, (off_t)SIZE) == 0, "truncate: %m");
	fsync(fd);
}

static int dump(int ghost, int image, uint32_t flags, struct gk_report *report)
{
	uint64_t size = (uint64_t)lseek(ghost, 0, SEEK_END);
	unsigned char head[128];

	return gk_dump(ghost, image, GK_ENGINE_AUTO, size, head, make_head(head, size, true),
		       GK_DUMP_CHUNKED | flags, NULL, report);
}

/* A file that is restored from the image must be the same as the ghost. */
static void compare_with_ghost(const struct place *place, int ghost, int image)
{
	uint64_t size = (uint64_t)lseek(ghost, 0, SEEK_END);
	int file = image_in(place);
	struct gk_report report;

	expect(!gk_check(image, NULL, &report), "check: %s", report.message);
	expect(!gk_restore(image, file, NULL, &report), "restore: %s", report.message);
	expect(first_difference(ghost, file, size) == size, "differs from the ghost at %lu",
	       first_difference(ghost, file, size));
	close(file);
}

/* An image that shares blocks is not in memory at first, and so the engine would not compare it. */
static void into_memory(int image)
{
	unsigned char window[65536];
	off_t at = 0;
	ssize_t got;

	while ((got = pread(image, window, sizeof(window), at)) > 0)
		at += got;
}

/*
 * The kernel can tell that the image is only on the disk, so what it has not read ahead in the meantime is
 * written without being compared.
 */
static void evicted_case(const struct place *place)
{
	int ghost = ghost_in(place), image = image_in(place);
	struct gk_report first, second;

	begin(place->name, "over an earlier image that is not in memory");
	make(ghost);
	expect(!dump(ghost, image, 0, &first), "%s", first.message);
	one_byte_of_many(ghost);
	fsync(image);
	posix_fadvise(image, 0, 0, POSIX_FADV_DONTNEED);
	expect(!dump(ghost, image, GK_DUMP_OVER, &second), "%s", second.message);
	expect(second.kept_bytes + second.differing_bytes + second.uncompared_bytes == second.image_bytes,
	       "%lu kept, %lu differing, %lu uncompared of %lu", second.kept_bytes, second.differing_bytes,
	       second.uncompared_bytes, second.image_bytes);
	if (strcmp(place->name, "xfs") == 0)
		expect(second.uncompared_bytes > 0, "every byte was compared");
	compare_with_ghost(place, ghost, image);
	close(ghost);
	close(image);
}

/* All windows of the large range are equal, so what was read for one could be taken for another. */
static void cut_case(const struct place *place)
{
	int ghost = ghost_in(place), image = image_in(place);
	struct gk_report report;

	begin(place->name, "over an earlier image that was cut short");
	make(ghost);
	expect(!dump(ghost, image, 0, &report), "%s", report.message);
	into_memory(image);
	expect(!ftruncate(image, 5 << 19), "truncate: %m");
	expect(!dump(ghost, image, GK_DUMP_OVER, &report), "%s", report.message);
	compare_with_ghost(place, ghost, image);
	close(ghost);
	close(image);
}

static uint32_t reads;

static void count_read(int fd)
{
	(void)fd;
	reads++;
}

/* A frozen container may wait for a thousand such dumps. */
static void small_case(const struct place *place)
{
	int ghost = ghost_in(place), image = image_in(place);
	struct gk_report report;
	unsigned char head[128];
	uint64_t head_bytes = make_head(head, 16384, true);

	begin(place->name,
	      "over a small earlier image takes one read of each file, and memory for two windows");
	put(ghost, 0, 16384);
	expect(!dump(ghost, image, 0, &report), "%s", report.message);
	into_memory(image);
	heap_reset();
	reads = 0;
	stand_in.before_read = count_read;
	expect(!gk_dump(ghost, image, GK_ENGINE_SEEK, 16384, head, head_bytes, GK_DUMP_CHUNKED | GK_DUMP_OVER,
			NULL, &report),
	       "%s", report.message);
	stand_in_nowhere();
	expect(reads == 2, "%u reads", reads);
	expect(heap_peak() < 3 * WINDOW, "%lu bytes of memory", heap_peak());
	expect(report.kept_bytes == report.image_bytes, "%lu of %lu bytes kept", report.kept_bytes,
	       report.image_bytes);
	compare_with_ghost(place, ghost, image);
	close(ghost);
	close(image);
}

void over_cases(const struct place *place)
{
	uint32_t i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i % 251 + 1);
	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		int ghost = ghost_in(place), image = image_in(place);
		struct gk_report first, second;
		struct stat before, after;

		begin(place->name, "over an earlier image: %s", changes[i].name);
		make(ghost);
		expect(!dump(ghost, image, 0, &first), "%s", first.message);
		into_memory(image);
		expect(!futimens(image, long_ago), "times: %m"); /* a tick of the clock is 4 ms */
		fstat(image, &before);
		changes[i].change(ghost);
		/* While a block is being written to the disk, two maps of the file may differ. */
		expect(!fsync(ghost), "fsync: %m");
		expect(!dump(ghost, image, GK_DUMP_OVER, &second), "%s", second.message);
		fstat(image, &after);
		compare_with_ghost(place, ghost, image);
		compare_image(place, ghost, (uint64_t)lseek(ghost, 0, SEEK_END), GK_ENGINE_AUTO,
			      GK_DUMP_CHUNKED | GK_DUMP_OVER, image);
		expect(second.kept_bytes <= second.image_bytes &&
			       second.image_bytes - second.kept_bytes <= changes[i].rewritten,
		       "%lu of %lu bytes kept", second.kept_bytes, second.image_bytes);
		expect(second.kept_bytes + second.differing_bytes + second.uncompared_bytes ==
			       second.image_bytes,
		       "%lu kept, %lu differing, %lu uncompared of %lu", second.kept_bytes,
		       second.differing_bytes, second.uncompared_bytes, second.image_bytes);
		expect(changes[i].rewritten || !(second.ways & GK_COPY_REFLINK), "reflinked over an image");
		expect(changes[i].rewritten || (before.st_mtim.tv_nsec == after.st_mtim.tv_nsec &&
						before.st_mtim.tv_sec == after.st_mtim.tv_sec),
		       "something was written");
		close(ghost);
		close(image);
	}
	evicted_case(place);
	cut_case(place);
	small_case(place);
}

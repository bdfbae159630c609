// SPDX-License-Identifier: MIT
/* The ways of copying: which way is taken, and what happens when one fails or lies. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"
#include "wrap.h"

#define MIB (1u << 20)
#define MOST (9 * MIB + 777)

static int broken; /* errno of copy_file_range, 0: end of file */
static unsigned int good_calls;
static bool synced;
static uint32_t size = 3 * MIB + 777;

static int make_ghost(const struct place *place)
{
	static unsigned char bytes[MOST];
	int fd = ghost_in(place);
	uint32_t i;

	for (i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i % 253);
	expect(pwrite(fd, bytes, size, 0) == size, "write: %m");
	expect(!synced || !fsync(fd), "fsync: %m");
	return fd;
}

static ssize_t break_range(int from, int to, size_t length)
{
	(void)from;
	(void)to;
	(void)length;
	if (calls.copy_file_range <= good_calls)
		return STAND_ASIDE;
	errno = broken;
	return broken ? -1 : 0;
}

static int no_reflink(void)
{
	errno = EXDEV;
	return -1;
}

/* A copy without an image, beside the ghost and on another file system. */
static void copy_ways(int ghost, const struct place *from, const struct place *to)
{
	int copies[] = { ghost_in(from), ghost_in(to) }, empty = ghost_in(to);
	struct gk_report report;

	for (int i = 0; i < 2; i++) {
		expect(!gk_copy(ghost, copies[i], 0, size, NULL, &report), "%s", report.message);
		expect(first_difference(ghost, copies[i], size) == size, "copy %d differs", i);
		expect(report.data_bytes == size && report.ways, "copied %lu, ways %u", report.data_bytes,
		       report.ways);
		expect(gk_copy(ghost, copies[i], 0, size, NULL, &report) == -EINVAL,
		       "over a file that has bytes");
		close(copies[i]);
	}
	expect(gk_copy(ghost, empty, 0, size + 1, NULL, &report) == -ESTALE, "%s", report.message);
	close(empty);
}

static uint32_t dump_ways(const struct place *from, const struct place *to, bool *same)
{
	int ghost = make_ghost(from), image = ghost_in(to), file = ghost_in(from);
	struct gk_report dumped = { 0 }, restored = { 0 };
	unsigned char head[128];

	expect(!gk_dump(ghost, image, 0, size, head, make_head(head, size, true), 1, NULL, &dumped), "%s",
	       dumped.message);
	expect(!gk_restore(image, file, NULL, &restored), "%s", restored.message);
	*same = first_difference(ghost, file, size) == size;
	expect(*same, "differs at %lu", first_difference(ghost, file, size));
	expect(dumped.ways & restored.ways, "dump %u, restore %u", dumped.ways, restored.ways);
	close(ghost);
	close(image);
	close(file);
	return dumped.ways;
}

static bool knows_cachestat(void)
{
	return syscall(451, -1, NULL, NULL, 0) < 0 && errno != ENOSYS;
}

void copy_cases(const struct place *place)
{
	bool is_tried = place == &places[TMPFS] || place == &places[BTRFS];
	static const int errors[] = { EXDEV, EINVAL, EOPNOTSUPP, EIO, 0 };
	bool reflinks = place == &places[XFS] || place == &places[BTRFS], same;
	uint32_t ways, i;
	int ghost;

	begin(place->name, "a large chunk is %s", reflinks ? "reflinked" : "copied");
	stand_in_nowhere();
	synced = true;
	ways = dump_ways(place, place, &same);
	expect(!!(ways & GK_COPY_REFLINK) == reflinks, "ways %u", ways);
	expect(calls.reflink <= 2, "reflink tried %u times in two calls", calls.reflink);
	synced = false;

	if (place == &places[XFS]) {
		begin(place->name,
		      "what is in memory only is read and written, and nothing waits for the disk");
		stand_in_nowhere();
		ways = dump_ways(place, place, &same);
		if (ways != GK_COPY_READ_WRITE && !knows_cachestat())
			impossible("this kernel has no cachestat(2)");
		else
			expect(ways == GK_COPY_READ_WRITE && calls.reflink + calls.copy_file_range == 0,
			       "ways %u", ways);
	}

	begin(place->name, "a chunk that several processors copy has every byte");
	stand_in_nowhere();
	size = MOST;
	ways = dump_ways(place, place, &same);
	size = 3 * MIB + 777;
	if (place == &places[TMPFS] && sysconf(_SC_NPROCESSORS_ONLN) > 1)
		expect(ways == GK_COPY_READ_WRITE, "ways %u", ways);

	/* copy_file_range is not tried on ext4 and xfs. */
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]) && is_tried; i++)
		for (good_calls = 0; good_calls < 3; good_calls++) {
			begin(place->name, "copy_file_range %s after %u calls",
			      errors[i] ? strerror(errors[i]) : "says end of file", good_calls);
			stand_in_nowhere();
			stand_in.reflink = no_reflink;
			stand_in.copy_file_range = break_range;
			broken = errors[i];
			ways = dump_ways(place, place, &same);
			expect(ways & GK_COPY_READ_WRITE && calls.copy_file_range > good_calls, "ways %u",
			       ways);
		}
	stand_in_nowhere();
	if (place == &places[TMPFS]) {
		begin(place->name, "a dump to another file system has every byte");
		ways = dump_ways(place, &places[CWD], &same);
		expect(ways == GK_COPY_READ_WRITE, "ways %u", ways);
		expect(calls.copy_file_range >= 1 && calls.copy_file_range <= 2, "tried again after EXDEV");
	}

	begin(place->name, "a copy without an image, here and on another file system");
	ghost = make_ghost(place);
	copy_ways(ghost, place, &places[place == &places[CWD] ? TMPFS : CWD]);
	close(ghost);
}

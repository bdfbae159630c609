// SPDX-License-Identifier: MIT
/* The two rows of the table that are about amounts: the largest file and the most extents. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "map/auto.h"
#include "tap.h"

#define MOST UINT64_C(1000000)

static bool last_byte_fits(int fd, uint64_t size)
{
	return ftruncate(fd, (off_t)size) == 0 && pwrite(fd, "x", 1, (off_t)size - 1) == 1;
}

/*
 * Returns the largest size whose last byte can be written. *error is the errno for a larger size.
 */
static uint64_t largest(int fd, int *error)
{
	uint64_t fits = 1, too_large = INT64_MAX;

	*error = 0;
	if (last_byte_fits(fd, INT64_MAX))
		return INT64_MAX;
	*error = errno;
	while (too_large - fits > 1) {
		uint64_t middle = fits + (too_large - fits) / 2;

		if (last_byte_fits(fd, middle)) {
			fits = middle;
			if (ftruncate(fd, 0) < 0)
				return 0;
		} else {
			too_large = middle;
		}
	}
	return last_byte_fits(fd, fits) ? fits : 0;
}

/* An engine that reads each byte would take years here, so it is not run. */
static void find_last_byte(const struct place *place, int fd, uint64_t size, uint32_t engine)
{
	int image = image_in(place), file = image_in(place);
	struct gk_report report;
	unsigned char head[128];
	char byte = 0;

	if (expect(!gk_dump(fd, image, engine, size, head, make_head(head, size, true), 1, NULL, &report),
		   "engine %u: %s", engine, report.message)) {
		expect(report.data_bytes <= 4 << 20, "engine %u: %lu bytes of data", engine,
		       report.data_bytes);
		expect(!gk_restore(image, file, NULL, &report), "%s", report.message);
		expect((uint64_t)lseek(file, 0, SEEK_END) == size, "another size: %lu",
		       (uint64_t)lseek(file, 0, SEEK_END));
		expect(pread(file, &byte, 1, (off_t)size - 1) == 1 && byte == 'x', "the byte is lost");
	}
	close(image);
	close(file);
}

/* Reading that many holes would keep a container frozen for too long. */
static void refused(const struct place *place, int fd, uint64_t size)
{
	int image = image_in(place), got;
	struct gk_report report;
	unsigned char head[128];

	got = gk_dump(fd, image, GK_ENGINE_AUTO, size, head, make_head(head, size, true), GK_DUMP_CHUNKED,
		      NULL, &report);
	expect(size <= GK_READ_HOLES_MAX || got == -EOVERFLOW, "not refused: %d %s", got, report.message);
	close(image);
}

void largest_case(const struct place *place)
{
	int fd = ghost_in(place), error, holder;
	uint32_t engine, chosen = 0;
	const char *why;
	uint64_t size;

	begin(place->name, "8 EiB - 1, one byte");
	size = largest(fd, &error);
	holder = seen(place, fd);
	expect(!choose_engine(holder, &chosen, &why), "no engine");
	for (engine = GK_ENGINE_AUTO; engine < GK_ENGINE_READ; engine++)
		if (place->knows_holes && (engine != GK_ENGINE_AUTO || chosen != GK_ENGINE_READ))
			find_last_byte(place, holder, size, engine);
	if (!place->knows_holes || chosen == GK_ENGINE_READ)
		refused(place, holder, size);
	if (!place->knows_holes)
		remark("refused: no map of holes, %lu bytes would be read", size);
	else if (chosen == GK_ENGINE_READ)
		remark("refused by auto, which reads here; equal by seek at %lu bytes", size);
	else if (error)
		impossible("%s above %lu bytes; equal there", strerror(error), size);
	if (holder != fd)
		close(holder);
	close(fd);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* compare_round_trip() looks at each chunk in many ways, which would take too long here. */
static void copy_many(const struct place *place, int fd, uint32_t engine, uint64_t count)
{
	int image = image_in(place), file = image_in(place);
	uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END);
	struct gk_report report;
	unsigned char head[128];

	if (expect(!gk_dump(fd, image, engine, size, head, make_head(head, size, true), 1, NULL, &report),
		   "engine %u: %s", engine, report.message)) {
		expect(report.engine != GK_ENGINE_READ || report.chunks == count,
		       "engine %u: %lu chunks of %lu", engine, report.chunks, count);
		expect(!gk_restore(image, file, NULL, &report), "%s", report.message);
		expect(first_difference(fd, file, size) == size, "engine %u: differs at %lu", engine,
		       first_difference(fd, file, size));
	}
	close(image);
	close(file);
}

/*
 * The file, its image and the restored file are here at the same time, and each needs a block of
 * 4096 bytes for each extent. A quarter of the free space is left for the file system's own
 * blocks.
 */
static uint64_t extents_that_fit(int fd)
{
	struct statvfs room;
	uint64_t count;

	if (!expect(fstatvfs(fd, &room) == 0, "cannot ask for the free blocks: %m"))
		return 0;
	count = (uint64_t)room.f_bavail * room.f_frsize / 4 / 4096;
	return count < MOST ? count : MOST;
}

/*
 * Makes as many extents as there is time and room for, up to a million. No engine runs twice,
 * because other rows test that.
 */
void extents_case(const struct place *place, bool all_engines)
{
	const char *given = getenv("GK_EXTENTS_SECONDS");
	double end = now() + (given ? atof(given) : 0.1);
	int fd = ghost_in(place), holder;
	uint32_t engine, chosen = 0;
	uint64_t count = 0, most;
	const char *why;

	begin(place->name, "1,000,000 extents");
	most = extents_that_fit(fd);
	/*
	 * The size is set first: otherwise xfs preallocates behind each write, and zeroes that
	 * range at the next write.
	 */
	expect(ftruncate(fd, MOST * 8192) == 0, "cannot truncate: %m");
	for (; count < most && (count < 1024 || count % 256 || now() < end); count++)
		if (!expect(pwrite(fd, "x", 1, (off_t)(count * 8192 + 4096 + count % 4000)) == 1,
			    "no extent after %lu: %m", count))
			break;
	expect(ftruncate(fd, (off_t)(count * 8192)) == 0, "cannot truncate: %m");
	if (count < MOST)
		remark("equal with %lu extents in the %s there is", count, count < most ? "time" : "room");
	holder = seen(place, fd);
	expect(!choose_engine(holder, &chosen, &why), "no engine");
	for (engine = GK_ENGINE_AUTO; engine <= (all_engines ? GK_ENGINE_READ : GK_ENGINE_AUTO); engine++)
		if ((engine != GK_ENGINE_FIEMAP || place->has_map) &&
		    (engine != GK_ENGINE_SEEK || place->knows_holes) &&
		    (engine != GK_ENGINE_READ || chosen != GK_ENGINE_READ))
			copy_many(place, holder, engine, count);
	if (holder != fd)
		close(holder);
	close(fd);
}

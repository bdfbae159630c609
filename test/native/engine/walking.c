// SPDX-License-Identifier: MIT
/*
 * Extents that a thread of its own finds: what ends the thread, and what the thread's end leads
 * to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"
#include "wrap.h"

#define EXTENTS 6000u /* more than are found before the thread, and than it may be ahead */
#define SIZE (EXTENTS * UINT64_C(8192))
#define LATE 9000 /* a call of its lseek, two an extent */

static struct gk_progress progress;
static int late_errno;
static uint64_t copied_early, copied_meanwhile;
static int ghost;

static int fragmented_ghost(const struct place *place)
{
	int fd = ghost_in(place);
	uint32_t i;

	for (i = 0; i < EXTENTS; i++)
		if (!expect(pwrite(fd, &i, sizeof(i), i * INT64_C(8192) + 4000) == sizeof(i) &&
				    pwrite(fd, "x", 1, i * INT64_C(8192)) == 1,
			    "write: %m"))
			break;
	expect(!ftruncate(fd, SIZE), "truncate: %m");
	return fd;
}

static int dump(int image, struct gk_report *report)
{
	unsigned char head[128];

	return gk_dump(ghost, image, GK_ENGINE_SEEK, SIZE, head, make_head(head, SIZE, true), GK_DUMP_CHUNKED,
		       &progress, report);
}

static uint64_t done(void)
{
	return __atomic_load_n(&progress.done_bytes, __ATOMIC_RELAXED);
}

static unsigned int threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned int count = 0;

	if (!tasks)
		return 0;
	while (readdir(tasks))
		count++;
	closedir(tasks);
	return count - 2;
}

/* A thread that was joined may still be listed in /proc for a moment. */
static void expect_alone(void)
{
	for (int tries = 0; tries < 1000 && threads() > 1; tries++)
		usleep(1000);
	expect(threads() == 1, "%u threads", threads());
}

static off_t fail_late(int fd, off_t offset, int whence)
{
	(void)offset;
	(void)whence;
	if (fd != ghost || calls.lseek < LATE)
		return STAND_ASIDE;
	errno = late_errno;
	return -1;
}

static unsigned int reads;

static void count_reads(int fd)
{
	if (fd == ghost)
		__atomic_fetch_add(&reads, 1, __ATOMIC_RELAXED);
}

static off_t cancel_late(int fd, off_t offset, int whence)
{
	(void)fd;
	(void)offset;
	(void)whence;
	if (calls.lseek == LATE)
		__atomic_store_n(&progress.cancel, 1, __ATOMIC_RELAXED);
	return STAND_ASIDE;
}

/*
 * Extents 257 to 768 are handed over together, and then there is more to copy than the 256
 * extents before.
 */
static off_t wait_for_copy(int fd, off_t offset, int whence)
{
	(void)fd;
	(void)offset;
	(void)whence;
	if (calls.lseek == 2 * 700)
		copied_early = done();
	for (int tries = 0; calls.lseek == 2 * 800 && tries < 5000 && copied_meanwhile <= copied_early;
	     tries++) {
		usleep(1000);
		copied_meanwhile = done();
	}
	return STAND_ASIDE;
}

static void dumped(const struct place *place, const char *what, off_t (*lseek_does)(int, off_t, int),
		   int expected)
{
	int image = image_in(place);
	struct gk_report report;
	int got;

	begin(place->name, "a thread finds extents: %s", what);
	progress = (struct gk_progress){ 0 };
	stand_in_nowhere();
	stand_in.lseek = lseek_does;
	got = dump(image, &report);
	expect(got == expected, "%d: %s", got, report.message);
	expect_alone();
	stand_in_nowhere();
	close(image);
}

static void full(const struct place *place)
{
	int image = image_to_seal();
	struct gk_report report;

	begin(place->name, "a thread finds extents: the image cannot grow");
	progress = (struct gk_progress){ 0 };
	/*
	 * A quarter of the image is there already. So the thread has begun when the end of that
	 * part is reached.
	 */
	stand_in_nowhere();
	expect(!gk_dump(ghost, image, GK_ENGINE_SEEK, SIZE / 4, "head", 4, GK_DUMP_CHUNKED, &progress,
			&report),
	       "%s", report.message);
	expect(!fcntl(image, F_ADD_SEALS, F_SEAL_GROW), "seal: %m");
	expect(gk_dump(ghost, image, GK_ENGINE_SEEK, SIZE, "head", 4, GK_DUMP_CHUNKED | GK_DUMP_OVER,
		       &progress, &report) == -EPERM,
	       "%s", report.message);
	expect_alone();
	close(image);
}

/*
 * If the thread went on reading a hole of 8 GiB that is not needed any more, the container would
 * stay frozen.
 */
static void unwanted(const struct place *place)
{
	int image = image_to_seal();
	struct gk_report report;

	begin(place->name,
	      "a thread finds extents: a failed dump does not wait for extents that it does not need");
	expect(!ftruncate(ghost, SIZE + (INT64_C(8) << 30)), "truncate: %m");
	progress = (struct gk_progress){ 0 };
	stand_in_nowhere();
	stand_in.before_read = count_reads;
	reads = 0;
	/*
	 * The disk becomes full while the last batch but one is copied and the thread looks for
	 * the last one.
	 */
	expect(!ftruncate(image, 5600 * 4096) && !fcntl(image, F_ADD_SEALS, F_SEAL_GROW), "seal: %m");
	expect(gk_dump(ghost, image, GK_ENGINE_READ, SIZE + (UINT64_C(8) << 30), "head", 4,
		       GK_DUMP_CHUNKED | GK_DUMP_OVER, &progress, &report) == -EPERM,
	       "%s", report.message);
	expect(reads < 1000, "%u reads", reads);
	stand_in_nowhere();
	expect(!ftruncate(ghost, SIZE), "truncate: %m");
	close(image);
}

/* The ranges that an engine found before it gave up are tested as if it had not given up. */
static void zeroes(const struct place *place)
{
	static const char zero[4096];
	int image = image_in(place);
	struct gk_report report;
	unsigned char head[128];
	uint32_t i;

	begin(place->name, "a thread finds extents: some hold only zeroes, and the engine changes");
	for (i = 1; i < EXTENTS; i += 2)
		expect(pwrite(ghost, zero, sizeof(zero), i * INT64_C(8192)) == sizeof(zero), "write: %m");
	progress = (struct gk_progress){ 0 };
	late_errno = EINVAL;
	stand_in_nowhere();
	stand_in.lseek = fail_late;
	expect(!gk_dump(ghost, image, GK_ENGINE_SEEK, SIZE, head, make_head(head, SIZE, true),
			GK_DUMP_CHUNKED | GK_DUMP_DETECT_ZEROES, &progress, &report) &&
		       report.fallbacks == 1 && report.data_bytes == EXTENTS / 2 * 4096,
	       "%lu bytes after %u fallbacks: %s", report.data_bytes, report.fallbacks, report.message);
	stand_in_nowhere();
	close(image);
}

void walk_cases(const struct place *place)
{
	ghost = fragmented_ghost(place);
	dumped(place, "while others are copied", wait_for_copy, 0);
	expect(copied_early <= 256 * 4096 && copied_meanwhile > copied_early,
	       "%lu bytes copied before, %lu while a thread finds", copied_early, copied_meanwhile);
	late_errno = EIO;
	dumped(place, "lseek fails late", fail_late, -EIO);
	late_errno = EINVAL;
	dumped(place, "lseek can no longer tell", fail_late, 0);
	dumped(place, "cancelled late", cancel_late, -ECANCELED);
	full(place);

	begin(place->name, "a thread finds extents: the image is the same, also where the engine changes");
	progress = (struct gk_progress){ 0 };
	late_errno = EINVAL;
	stand_in_nowhere();
	stand_in.lseek = fail_late;
	compare_round_trip(place, ghost, SIZE, GK_ENGINE_SEEK, GK_DUMP_CHUNKED);
	stand_in_nowhere();
	compare_round_trip(place, ghost, SIZE, GK_ENGINE_AUTO, GK_DUMP_CHUNKED | GK_DUMP_DETECT_ZEROES);
	unwanted(place);
	zeroes(place);
	close(ghost);
}

// SPDX-License-Identifier: MIT
/*
 * The ghost changes during the call, the caller cancels it, or the files are not what they should
 * be.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"
#include "wrap.h"

#define SIZE (8u << 20)

static unsigned char bytes[1 << 20];
static struct gk_progress progress;
static int ghost;

static int dense_ghost(const struct place *place)
{
	int fd = ghost_in(place), i;

	memset(bytes, 'g', sizeof(bytes));
	for (i = 0; i < 8; i++)
		expect(pwrite(fd, bytes, sizeof(bytes), i << 20) == sizeof(bytes), "write: %m");
	return fd;
}

static int dump(const struct place *place, uint32_t engine, uint64_t size, uint32_t flags,
		struct gk_report *report)
{
	unsigned char head[128];
	int image = ghost_in(place);
	int error = gk_dump(ghost, image, engine, size, head, make_head(head, size, flags & GK_DUMP_CHUNKED),
			    flags, &progress, report);

	close(image);
	return error;
}

static int shrink_when_cloned(void)
{
	errno = EOPNOTSUPP;
	return ftruncate(ghost, 3000000) < 0 ? STAND_ASIDE : -1;
}

static ssize_t shrink_when_copied(int from, int to, size_t length)
{
	(void)to;
	(void)length;
	return ftruncate(from, 3000000) < 0 ? STAND_ASIDE : STAND_ASIDE;
}

static void shrink_when_read(int fd)
{
	if (fd == ghost)
		expect(!ftruncate(fd, 3000000), "truncate: %m");
}

static int unknown_reflink(void)
{
	errno = EOPNOTSUPP;
	return -1;
}

static ssize_t unknown_range(int from, int to, size_t length)
{
	(void)from;
	(void)to;
	(void)length;
	errno = EOPNOTSUPP;
	return -1;
}

static void shrinking(const struct place *place)
{
	struct gk_report report;
	uint32_t engine;
	int variant;

	for (engine = GK_ENGINE_AUTO; engine <= GK_ENGINE_READ; engine++) {
		begin(place->name, "a ghost that has shrunk before the dump, engine %u", engine);
		ghost = dense_ghost(place);
		expect(dump(place, engine, SIZE + 4097, GK_DUMP_CHUNKED, &report) == -ESTALE &&
			       report.failed_offset == SIZE && strstr(report.message, "8388608"),
		       "%lu %s", report.failed_offset, report.message);
		close(ghost);
	}
	for (variant = 0; variant < 4; variant++) {
		begin(place->name, "shrinks while it is %s, %s", variant & 1 ? "copied" : "cloned",
		      variant & 2 ? "raw" : "chunked");
		ghost = dense_ghost(place);
		/* xfs shares only blocks that are on the disk. */
		expect(!fsync(ghost), "fsync: %m");
		stand_in_nowhere();
		stand_in.reflink = variant & 1 ? unknown_reflink : shrink_when_cloned;
		stand_in.copy_file_range = shrink_when_copied;
		stand_in.before_read = shrink_when_read;
		expect(dump(place, GK_ENGINE_AUTO, SIZE, variant & 2 ? 0 : GK_DUMP_CHUNKED, &report) ==
				       -ESTALE &&
			       report.failed_offset == 3000000,
		       "%lu %s", report.failed_offset, report.message);
		stand_in_nowhere();
		close(ghost);
	}
	begin(place->name, "a hole at the end of a ghost is cut off while data is copied");
	ghost = dense_ghost(place);
	expect(!ftruncate(ghost, SIZE + 4096), "truncate");
	stand_in.reflink = shrink_when_cloned;
	stand_in.before_read = shrink_when_read;
	expect(dump(place, GK_ENGINE_AUTO, SIZE + 4096, GK_DUMP_CHUNKED, &report) == -ESTALE, "%s",
	       report.message);
	stand_in_nowhere();
	close(ghost);
}

static int over_errno;

static ssize_t fail_when_read(int fd)
{
	if (fd != ghost)
		return STAND_ASIDE;
	errno = over_errno;
	return -1;
}

/* Several threads copy over an earlier image; a failure on any of them fails the dump. */
static void over_an_image(const struct place *place)
{
	struct gk_report report;
	int seals = F_SEAL_GROW, image, i;
	unsigned char head[128];

	begin(place->name, "a ghost shrinks while it is compared with its earlier image");
	ghost = dense_ghost(place);
	expect(!fsync(ghost), "fsync: %m");
	stand_in_nowhere();
	stand_in.before_read = shrink_when_read;
	expect(dump(place, GK_ENGINE_AUTO, SIZE, GK_DUMP_CHUNKED | GK_DUMP_OVER, &report) == -ESTALE &&
		       report.failed_offset == 3000000,
	       "%lu %s", report.failed_offset, report.message);
	stand_in_nowhere();
	close(ghost);

	begin(place->name, "a ghost cannot be read while it is compared, or copied by read and write");
	ghost = dense_ghost(place);
	stand_in.pread = fail_when_read;
	stand_in.reflink = unknown_reflink;
	stand_in.copy_file_range = unknown_range;
	for (i = 0; i < 4; i++) {
		over_errno = i % 2 ? EIO : ESTALE;
		expect(dump(place, GK_ENGINE_SEEK, SIZE, GK_DUMP_CHUNKED | (i / 2 ? GK_DUMP_OVER : 0),
			    &report) == -over_errno,
		       "%s", report.message);
	}
	stand_in_nowhere();
	progress = (struct gk_progress){ .cancel = 1 };
	expect(dump(place, GK_ENGINE_SEEK, SIZE, GK_DUMP_CHUNKED | GK_DUMP_OVER, &report) == -ECANCELED, "%s",
	       report.message);
	progress = (struct gk_progress){ 0 };
	close(ghost);

	begin(place->name, "the earlier image cannot be written to, or cannot be cut off");
	ghost = dense_ghost(place);
	for (i = 0; i < 2; i++) {
		image = image_to_seal();
		expect(!ftruncate(image, i ? 2 * SIZE : SIZE / 2), "truncate: %m");
		seals = i ? F_SEAL_SHRINK : F_SEAL_GROW;
		expect(!fcntl(image, F_ADD_SEALS, seals), "seals: %m");
		expect(gk_dump(ghost, image, GK_ENGINE_AUTO, SIZE, head, make_head(head, SIZE, true),
			       GK_DUMP_CHUNKED | GK_DUMP_OVER, &progress, &report) == -EPERM,
		       "%s", report.message);
		close(image);
	}
	close(ghost);
}

static int reads_of_image;

/* The first read is of the head, and at that time the image is still whole. */
static void cut_when_read(int fd)
{
	if (fd == ghost && reads_of_image++ > 0)
		expect(!ftruncate(ghost, 3000000), "truncate");
}

static void image_ends(const struct place *place)
{
	struct gk_report report;
	int from = dense_ghost(place), file = ghost_in(place);
	unsigned char head[128];

	begin(place->name, "an image is cut off while it is restored by read and write");
	ghost = ghost_in(place);
	expect(!gk_dump(from, ghost, GK_ENGINE_READ, SIZE, head, make_head(head, SIZE, true), GK_DUMP_CHUNKED,
			&progress, &report),
	       "%s", report.message);
	stand_in_nowhere();
	stand_in.reflink = unknown_reflink;
	stand_in.copy_file_range = unknown_range;
	reads_of_image = 0;
	stand_in.before_read = cut_when_read;
	expect(gk_restore(ghost, file, NULL, &report) == -EBADMSG && report.failed_offset == 3000000,
	       "%lu %s", report.failed_offset, report.message);
	stand_in_nowhere();
	close(ghost);
	close(from);
	close(file);
}

static ssize_t cancel_when_copied(int from, int to, size_t length)
{
	(void)from;
	(void)to;
	(void)length;
	progress.cancel = 1;
	return STAND_ASIDE;
}

static void cancel_when_read(int fd)
{
	(void)fd;
	progress.cancel = 1;
}

static void cancelling(const struct place *place)
{
	struct gk_report report;
	int image = ghost_in(place), file = ghost_in(place);
	unsigned char head[128];

	begin(place->name, "a dump that is cancelled before or during its work ends");
	ghost = dense_ghost(place);
	/*
	 * While a page is being written out, ext4's map shows it as unwritten, so the page must
	 * be read.
	 */
	expect(!fsync(ghost), "fsync: %m");
	progress = (struct gk_progress){ .cancel = 1 };
	expect(dump(place, GK_ENGINE_AUTO, SIZE, GK_DUMP_CHUNKED, &report) == -ECANCELED, "%s",
	       report.message);
	expect(dump(place, GK_ENGINE_READ, SIZE, GK_DUMP_CHUNKED, &report) == -ECANCELED, "%s",
	       report.message);
	progress = (struct gk_progress){ 0 };
	stand_in_nowhere();
	stand_in.reflink = unknown_reflink;
	stand_in.copy_file_range = cancel_when_copied;
	stand_in.before_read = cancel_when_read;
	expect(dump(place, GK_ENGINE_AUTO, SIZE, GK_DUMP_CHUNKED, &report) == -ECANCELED, "%s",
	       report.message);
	/* A window of each thread, if by hand. */
	expect(progress.done_bytes <= 3 << 20 && progress.done_bytes > 0, "%lu bytes done",
	       progress.done_bytes);
	stand_in_nowhere();

	begin(place->name, "a restore, a check and a digest that are cancelled end");
	progress = (struct gk_progress){ 0 };
	expect(!gk_dump(ghost, image, 0, SIZE, head, make_head(head, SIZE, true), 1, &progress, &report),
	       "%s", report.message);
	progress.cancel = 1;
	expect(gk_check(image, &progress, &report) == -ECANCELED, "%s", report.message);
	expect(gk_digest(image, &progress, &report) == -ECANCELED, "%s", report.message);
	expect(gk_restore(image, file, &progress, &report) == -ECANCELED, "%s", report.message);
	progress = (struct gk_progress){ 0 };
	close(ghost);
	close(image);
	close(file);
}

static void wrong_files(const struct place *place)
{
	unsigned char head[128];
	struct gk_report report;
	int image = ghost_in(place), ends[2], zero = open("/dev/zero", O_RDWR | O_CLOEXEC);

	begin(place->name, "wrong descriptors and arguments are refused");
	ghost = dense_ghost(place);
	expect(pwrite(image, "x", 1, 0) == 1, "write");
	expect(gk_dump(ghost, image, 0, SIZE, head, 10, 1, NULL, &report) == -EINVAL &&
		       strstr(report.message, "empty"),
	       "%s", report.message);
	expect(gk_dump(ghost, zero, 0, SIZE, head, 10, 1, NULL, &report) == -EINVAL, "%s", report.message);
	expect(gk_dump(ghost, -1, 0, SIZE, head, 10, 1, NULL, &report) == -EBADF, "%s", report.message);
	expect(gk_dump(-1, image, 0, SIZE, head, 10, 1, NULL, &report) == -EBADF, "%s", report.message);
	expect(gk_dump(ghost, image, 9, SIZE, head, 10, 1, NULL, &report) == -EINVAL, "%s", report.message);
	expect(gk_check(zero, NULL, &report) == -EINVAL, "%s", report.message);
	if (expect(!pipe(ends), "pipe")) {
		expect(gk_check(ends[0], NULL, &report) == -EINVAL, "%s", report.message);
		close(ends[0]);
		close(ends[1]);
	}
	close(ghost);
	close(image);
	close(zero);
}

void trouble_cases(const struct place *place)
{
	shrinking(place);
	over_an_image(place);
	image_ends(place);
	cancelling(place);
	wrong_files(place);
}

// SPDX-License-Identifier: MIT
/* Checks what a descriptor must still show: its file, and its open file description. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "io.h"
#include "kind.h"
#include "magics.h"
#include "pattern.h"
#include "workload.h"

#define WINDOW (256 * 1024)

static uint8_t window[WINDOW];
static bool seen_not_ok;

void result(FILE *to, const char *kind, const char *what, bool ok, const char *format, ...)
{
	va_list args;

	if (ok) {
		fprintf(to, "ok %s %s\n", kind, what);
		return;
	}
	seen_not_ok = true;
	fprintf(to, "not ok %s %s: ", kind, what);
	va_start(args, format);
	vfprintf(to, format, args);
	va_end(args);
	fputc('\n', to);
}

bool any_not_ok(void)
{
	return seen_not_ok;
}

/* Returns the offset of the first wrong byte of a data range, or -1 when all bytes are right. */
static int64_t compare_data(int fd, uint64_t seed, const struct range *range, int *err)
{
	uint64_t done = 0;

	*err = 0;
	while (done < range->length) {
		size_t part = WINDOW;
		int64_t wrong;

		if (part > range->length - done)
			part = range->length - done;
		*err = read_all(fd, window, part, range->offset + done);
		if (*err)
			return (int64_t)(range->offset + done);
		wrong = pattern_compare(seed, range->offset + done, window, part);
		if (wrong >= 0)
			return wrong;
		done += part;
	}
	return -1;
}

static void check_data(FILE *to, const struct kind *kind, int fd)
{
	uint64_t seed = pattern_seed(kind->name), at = 0;
	struct range range;
	int64_t wrong;
	int err;

	while (next_data(kind, &at, &range)) {
		wrong = compare_data(fd, seed, &range, &err);
		if (wrong >= 0) {
			result(to, kind->name, "data", false, "byte %lld: %s", (long long)wrong,
			       err ? strerror(-err) : "differs");
			return;
		}
	}
	result(to, kind->name, "data", true, NULL);
}

static int64_t first_nonzero(int fd, uint64_t start, uint64_t end)
{
	while (start < end) {
		size_t part = WINDOW, i;

		if (part > end - start)
			part = end - start;
		if (read_all(fd, window, part, start))
			return (int64_t)start;
		for (i = 0; i < part; i++)
			if (window[i])
				return (int64_t)(start + i);
		start += part;
	}
	return -1;
}

/*
 * An expected hole must read as zero. Where SEEK_DATA reports a hole, the kernel guarantees that,
 * so we read only those parts of the expected hole that SEEK_DATA reports as data.
 */
static int64_t nonzero_in_hole(int fd, uint64_t start, uint64_t end)
{
	while (start < end) {
		off_t data = lseek(fd, (off_t)start, SEEK_DATA);
		off_t hole;
		int64_t wrong;

		if (data < 0 && errno == ENXIO)
			return -1;
		if (data < 0)
			return first_nonzero(fd, start, end);
		if ((uint64_t)data >= end)
			return -1;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || (uint64_t)hole > end)
			hole = (off_t)end;
		wrong = first_nonzero(fd, (uint64_t)data, (uint64_t)hole);
		if (wrong >= 0)
			return wrong;
		start = (uint64_t)hole;
	}
	return -1;
}

static void check_holes(FILE *to, const struct kind *kind, const struct holder *expected, int fd)
{
	off_t before = lseek(fd, 0, SEEK_CUR);
	uint64_t holes = seek_hole_bytes(fd, kind->size);
	uint64_t end = 0, at = 0;
	struct range range;
	int64_t wrong = -1;

	while (wrong < 0 && next_data(kind, &at, &range)) {
		wrong = nonzero_in_hole(fd, end, range.offset);
		end = range.offset + range.length;
	}
	if (wrong < 0)
		wrong = nonzero_in_hole(fd, end, kind->size);
	lseek(fd, before, SEEK_SET);
	result(to, kind->name, "zeroes", wrong < 0, "byte %lld of a hole is not zero", (long long)wrong);
	result(to, kind->name, "holes", holes >= expected->hole_bytes, "%llu bytes of holes, %llu before",
	       (unsigned long long)holes, (unsigned long long)expected->hole_bytes);
}

static void check_digest(FILE *to, const struct holder *expected, int fd)
{
	uint64_t digest;
	int err = digest_file(fd, &digest);

	result(to, expected->kind, "data", !err && digest == expected->digest,
	       "digest %016llx, %016llx before", (unsigned long long)digest,
	       (unsigned long long)expected->digest);
}

/* Check a time to the microsecond, because CRIU's ghost images hold no more. */
static void check_time(FILE *to, const char *kind, const char *what, const struct timespec *now,
		       const struct timespec *before)
{
	result(to, kind, what, now->tv_sec == before->tv_sec && now->tv_nsec / 1000 == before->tv_nsec / 1000,
	       "%lld.%09ld, %lld.%09ld before", (long long)now->tv_sec, now->tv_nsec,
	       (long long)before->tv_sec, before->tv_nsec);
}

/*
 * Whether the link count is that of a file without a name of its own: 0, or any number on NFS. There the
 * client keeps a removed file that is open under other names, one for each time it was asked to remove it.
 */
static bool has_no_name(int fd, const struct stat *st)
{
	struct statfs about;

	return st->st_nlink == 0 || (fstatfs(fd, &about) == 0 && about.f_type == MAGIC_NFS);
}

static void check_stat(FILE *to, const struct holder *expected, int fd, const struct stat *st)
{
	const char *kind = expected->kind;

	result(to, kind, "nlink", has_no_name(fd, st), "%lu links", (unsigned long)st->st_nlink);
	result(to, kind, "size", (uint64_t)st->st_size == expected->size, "%lld, %llu before",
	       (long long)st->st_size, (unsigned long long)expected->size);
	result(to, kind, "mode", st->st_mode == expected->mode, "%o, %o before", st->st_mode, expected->mode);
	result(to, kind, "owner", st->st_uid == expected->uid && st->st_gid == expected->gid,
	       "%u:%u, %u:%u before", st->st_uid, st->st_gid, expected->uid, expected->gid);
	check_time(to, kind, "atime", &st->st_atim, &expected->atime);
	check_time(to, kind, "mtime", &st->st_mtim, &expected->mtime);
}

void check_contents(FILE *to, const struct kind *kind, const struct holder *expected, int fd)
{
	struct stat st;

	if (fstat(fd, &st)) {
		result(to, kind->name, "open", false, "descriptor %d: %s", fd, strerror(errno));
		return;
	}
	check_stat(to, expected, fd, &st);
	if (kind->shape == SHAPE_EXE)
		check_digest(to, expected, fd);
	else
		check_data(to, kind, fd);
	check_holes(to, kind, expected, fd);
}

void check_description(FILE *to, const struct holder *expected, int fd)
{
	off_t offset = lseek(fd, 0, SEEK_CUR);
	int flags = fcntl(fd, F_GETFL);
	char what[64];

	snprintf(what, sizeof(what), "offset of %s", expected->role);
	result(to, expected->kind, what, offset == (off_t)expected->offset, "%lld, %llu before",
	       (long long)offset, (unsigned long long)expected->offset);
	snprintf(what, sizeof(what), "flags of %s", expected->role);
	result(to, expected->kind, what, flags >= 0 && (flags & ~0100000) == expected->flags,
	       "%#o, %#o before", flags, expected->flags);
}

/* Check that two descriptors share one open file description: when one moves the offset, both move. */
void check_same_description(FILE *to, const char *kind, const char *what, int fd, int other)
{
	off_t before = lseek(fd, 0, SEEK_CUR);
	off_t moved;

	lseek(fd, before + 1, SEEK_SET);
	moved = lseek(other, 0, SEEK_CUR);
	lseek(fd, before, SEEK_SET);
	result(to, kind, what, moved == before + 1, "moving descriptor %d to %lld left %d at %lld", fd,
	       (long long)before + 1, other, (long long)moved);
}

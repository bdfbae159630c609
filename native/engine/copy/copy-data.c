// SPDX-License-Identifier: MIT
/*
 * Copies the data of a file into another file at the same offsets. Holes stay holes. Unlike a ghost
 * image, the copy can be used as it is.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/report.h"
#include "copy/copy.h"
#include "map/walk.h"

/*
 * The longest extent that the read engine may give. It reads all of an extent to find it, and the
 * beginning of a longer one would no longer be in memory when the extent is copied.
 */
#define READ_EXTENT_BYTES (UINT64_C(64) << 20)

static int prepare(int from, int to, uint64_t size, struct gk_report *report)
{
	struct stat about;

	if (fstat(to, &about) < 0)
		return fail(report, -errno, 0, "cannot look at the copy");
	if (!S_ISREG(about.st_mode) || about.st_size != 0)
		return fail(report, -EINVAL, 0, "the copy is not an empty regular file");
	if (fstat(from, &about) < 0)
		return fail(report, -errno, 0, "cannot look at the ghost");
	if (!S_ISREG(about.st_mode))
		return fail(report, -EINVAL, 0, "the ghost is not a regular file");
	/* The whole size is set before the first write, so that xfs preallocates nothing beyond it. */
	if (ftruncate(to, (off_t)size) < 0)
		return fail(report, -errno, size, "cannot set the size of the copy to %llu",
			    (unsigned long long)size);
	return 0;
}

static int explain(const struct copier *copier, int error, uint64_t offset, struct gk_report *report)
{
	if (error == -ENODATA)
		return fail(report, -ESTALE, offset, "the ghost ended at offset %llu while it was copied",
			    (unsigned long long)offset);
	if (error == -ECANCELED)
		return fail(report, error, offset, "stopped at offset %llu of the ghost",
			    (unsigned long long)offset);
	return fail(report, error, offset, "cannot %s at offset %llu",
		    copier->writing ? "write the copy" : "read the ghost", (unsigned long long)offset);
}

static int copy_extents(struct walk *walk, struct copier *copier, struct gk_report *report)
{
	struct gk_extent extent;
	int got, error;

	while ((got = walk_next(walk, &extent)) > 0) {
		if (extent.kind != GK_EXTENT_DATA) {
			report->unwritten_bytes += extent.length;
			continue;
		}
		report->chunks++;
		error = copy_bytes(copier, extent.offset, extent.offset, extent.length);
		report->data_bytes += copier->done;
		if (error)
			return explain(copier, error, extent.offset + copier->done, report);
	}
	return got < 0 ? fail(report, got, walk->pos, "cannot find data in the ghost at offset %llu",
			      (unsigned long long)walk->pos) :
			 0;
}

/* Check the ghost's size. Only this notices that a hole at the end is gone: holes are not read. */
static int check_size(int from, uint64_t size, struct gk_report *report)
{
	struct stat about;

	if (fstat(from, &about) < 0)
		return fail(report, -errno, 0, "cannot look at the ghost");
	if ((uint64_t)about.st_size >= size)
		return 0;
	return fail(report, -ESTALE, (uint64_t)about.st_size,
		    "the ghost ends at offset %lld, before its size of %llu", (long long)about.st_size,
		    (unsigned long long)size);
}

GK_PUBLIC int gk_copy(int from, int to, uint32_t engine, uint64_t size, struct gk_progress *progress,
		      struct gk_report *report)
{
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	struct copier copier;
	struct walk walk;
	int error;

	memset(report, 0, sizeof(*report));
	report->size = size;
	if (!window)
		return fail(report, -ENOMEM, 0, "cannot copy a ghost");
	error = prepare(from, to, size, report);
	if (error)
		return error;
	error = walk_open(&walk, from, engine, size, 0);
	if (error)
		return fail(report, error, 0, "cannot look for data in the ghost");
	walk.progress = progress;
	walk.read_limit = READ_EXTENT_BYTES;
	copier_init(&copier, from, to, window, progress);
	error = copy_extents(&walk, &copier, report);
	if (!error)
		error = check_size(from, size, report);
	report->engine = walk.engine;
	report->fallbacks = walk.fallbacks;
	report->ways = copier.used;
	walk_close(&walk);
	return error;
}

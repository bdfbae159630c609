// SPDX-License-Identifier: MIT
/* Lists what a file has allocated beyond its data, and allocates it in another file. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/memory.h"
#include "base/report.h"

#define BATCH 512

static int ask(int fd, uint64_t start, struct fiemap *map)
{
	int done;

	memset(map, 0, sizeof(*map));
	map->fm_start = start;
	map->fm_length = FIEMAP_MAX_OFFSET - start;
	map->fm_extent_count = BATCH;
	do
		done = ioctl(fd, FS_IOC_FIEMAP, map);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return errno == ENOTTY || errno == EINVAL ? -EOPNOTSUPP : -errno;
	return map->fm_mapped_extents > BATCH ? -EOPNOTSUPP : 0;
}

/*
 * The part of an extent, from start on, that holds no data: all of an unwritten extent, and of
 * others the part past size.
 */
static struct gk_extent empty_part(const struct fiemap_extent *fe, uint64_t start, uint64_t size)
{
	uint64_t end, from = fe->fe_logical > start ? fe->fe_logical : start;

	if (__builtin_add_overflow(fe->fe_logical, fe->fe_length, &end) || end > INT64_MAX)
		end = INT64_MAX;
	if (!(fe->fe_flags & FIEMAP_EXTENT_UNWRITTEN)) {
		/*
		 * The file ends inside its last block; the rest of that block does not count as
		 * allocated past the end.
		 */
		uint64_t block_end = size + (4096 - size % 4096) % 4096;

		from = from > block_end ? from : block_end;
	}
	return (struct gk_extent){ from, from < end ? end - from : 0, GK_EXTENT_UNWRITTEN, fe->fe_flags };
}

/* Add an extent, or lengthen the last one if they touch. Returns false when there is no room. */
static bool add(struct gk_extent *extents, uint32_t capacity, uint32_t *count, const struct gk_extent *one)
{
	struct gk_extent *last = *count ? &extents[*count - 1] : NULL;

	if (last && last->offset + last->length == one->offset) {
		last->length += one->length;
		return true;
	}
	if (*count == capacity)
		return false;
	extents[(*count)++] = *one;
	return true;
}

GK_PUBLIC int gk_allocation(int fd, uint64_t size, uint64_t start, struct gk_extent *extents,
			    uint32_t capacity, uint32_t *count, uint64_t *next, struct gk_report *report)
{
	AUTO_FREE struct fiemap *map = malloc(sizeof(*map) + BATCH * sizeof(struct fiemap_extent));
	uint32_t i;
	int error;

	memset(report, 0, sizeof(*report));
	*count = 0;
	*next = 0;
	if (!map)
		return fail(report, -ENOMEM, 0, "cannot list what is allocated");
	if (capacity == 0 || size > INT64_MAX)
		return fail(report, -EINVAL, 0, "cannot list what is allocated");
	do {
		uint64_t from = start;

		error = ask(fd, start, map);
		if (error)
			return fail(report, error, start, "cannot list what is allocated");
		for (i = 0; i < map->fm_mapped_extents; i++) {
			const struct fiemap_extent *fe = &map->fm_extents[i];
			struct gk_extent one = empty_part(fe, start, size);

			if (one.length && !add(extents, capacity, count, &one)) {
				*next = one.offset;
				return 0;
			}
			report->unwritten_bytes += one.length;
			if (fe->fe_length > UINT64_MAX - fe->fe_logical)
				return 0;
			if (fe->fe_logical + fe->fe_length > start)
				start = fe->fe_logical + fe->fe_length;
		}
		if (start <= from) /* no extent, or an answer without progress */
			return 0;
	} while (start < FIEMAP_MAX_OFFSET);
	return 0;
}

GK_PUBLIC int gk_allocate(int fd, uint64_t offset, uint64_t length, struct gk_report *report)
{
	memset(report, 0, sizeof(*report));
	if (offset > INT64_MAX || length > INT64_MAX - offset)
		return fail(report, -EINVAL, offset, "cannot allocate %llu bytes at offset %llu",
			    (unsigned long long)length, (unsigned long long)offset);
	while (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) < 0) {
		if (errno == EINTR)
			continue;
		return fail(report, -errno, offset, "cannot allocate %llu bytes at offset %llu",
			    (unsigned long long)length, (unsigned long long)offset);
	}
	return 0;
}

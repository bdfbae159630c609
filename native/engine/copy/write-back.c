// SPDX-License-Identifier: MIT
/* Writes dirty pages to disk, so that nobody has to wait for it later: sync_file_range(2). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/progress.h"
#include "base/report.h"
#include "map/seek.h"

/* Progress is reported after each step, because a container's disk may be throttled. */
#define STEP (UINT64_C(1) << 20)

static int write_out(int fd, uint64_t offset, uint64_t length)
{
	static const unsigned int how =
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	while (sync_file_range(fd, (off_t)offset, (off_t)length, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int write_range(int fd, uint64_t from, uint64_t to, struct gk_progress *progress)
{
	while (from < to) {
		uint64_t now = to - from < STEP ? to - from : STEP;
		int error = cancelled(progress) ? -ECANCELED : write_out(fd, from, now);

		if (error)
			return error;
		progress_add(progress, now);
		from += now;
	}
	return 0;
}

GK_PUBLIC int gk_write_back(int fd, uint64_t size, struct gk_progress *progress, struct gk_report *report)
{
	uint64_t data = 0, hole = 0;
	int error = 0;

	memset(report, 0, sizeof(*report));
	while (!error && hole < size) {
		error = seek_data(fd, hole, &data);
		if (error || data >= size)
			break;
		error = seek_hole(fd, data, &hole);
		if (hole == UINT64_MAX) /* the file has become shorter */
			break;
		if (!error)
			error = write_range(fd, data, hole < size ? hole : size, progress);
	}
	return error ? fail(report, error, data, "cannot write the ghost's dirty pages at offset %llu",
			    (unsigned long long)data) :
		       0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/report.h"

GK_PUBLIC int gk_set_times(int fd, int64_t atime_sec, int64_t atime_nsec, int64_t mtime_sec,
			   int64_t mtime_nsec, struct gk_report *report)
{
	const struct timespec times[2] = {
		{ .tv_sec = atime_sec, .tv_nsec = atime_nsec },
		{ .tv_sec = mtime_sec, .tv_nsec = mtime_nsec },
	};

	memset(report, 0, sizeof(*report));
	if (futimens(fd, times) < 0)
		return fail(report, -errno, 0, "cannot set the file's times");
	return 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"

/*
 * A write that the disk could not take is told to the first fsync(2) and to none
 * after it, and the page cache goes on showing what was written: so what is read
 * from here on comes from the disk. To forget pages is advice, and may be declined.
 */
GK_PUBLIC int gk_settle(int fd, struct gk_report *report)
{
	int ret;

	memset(report, 0, sizeof(*report));
	do
		ret = fsync(fd);
	while (ret && errno == EINTR);
	/* a file system that never writes has nothing to wait for, and some servers have no fsync */
	if (ret && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS && errno != EROFS)
		return fail(report, -errno, 0, "the disk could not take what was written");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

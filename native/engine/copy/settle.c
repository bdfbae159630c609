// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"

/*
 * When the disk could not take a write, only the first fsync(2) reports it, and the page cache
 * still shows what was written. So the pages are dropped, and later reads come from the disk. The
 * kernel takes posix_fadvise(2) as advice and may keep pages.
 */
GK_PUBLIC int gk_settle(int fd, struct gk_report *report)
{
	int ret;

	memset(report, 0, sizeof(*report));
	do
		ret = fsync(fd);
	while (ret && errno == EINTR);
	/* these are no failures: some file systems never write back, and some servers have no fsync */
	if (ret && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS && errno != EROFS)
		return fail(report, -errno, 0, "the disk could not take what was written");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "attributes/flags.h"
#include "base/report.h"

/*
 * These are the flags that chattr(1) can set on any file and that can be set again on a file with
 * content: S, i, a, d, A. The other flags are the file system's own business (extents, inline
 * data), or depend on where in that file system the file lies (compression, project, no-COW).
 */
#define KEPT (FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL)

static int get_flags(int fd, int *flags)
{
	return ioctl(fd, FS_IOC_GETFLAGS, flags) < 0 ? -errno : 0;
}

int inode_flags(int fd, uint32_t *flags)
{
	int found = 0;
	int err = get_flags(fd, &found);

	*flags = (uint32_t)(found & KEPT);
	return err == -ENOTTY || err == -EOPNOTSUPP || err == -ENOSYS || err == -EINVAL ? 0 : err;
}

GK_PUBLIC int gk_get_flags(int fd, uint32_t *flags, struct gk_report *report)
{
	int err = inode_flags(fd, flags);

	memset(report, 0, sizeof(*report));
	return err ? fail(report, err, 0, "cannot read the file's flags") : 0;
}

GK_PUBLIC int gk_set_flags(int fd, uint32_t flags, struct gk_report *report)
{
	int now = 0;
	int err = get_flags(fd, &now);
	int wanted = (now & ~KEPT) | ((int)flags & KEPT);

	memset(report, 0, sizeof(*report));
	if (!err && wanted != now && ioctl(fd, FS_IOC_SETFLAGS, &wanted) < 0)
		err = -errno;
	if (err)
		return fail(report, err, 0, "cannot set the file's flags");
	return 0;
}

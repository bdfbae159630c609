// SPDX-License-Identifier: MIT
/*
 * Opens a file that root may not read: an NFS server with root_squash treats root as nobody. fsuid
 * and fsgid belong to the calling thread alone. The server checks who opened the file, not who
 * reads it. When the thread leaves fsuid 0, it loses the capabilities that override file
 * permissions; when it returns to 0, it gets them back. Source: setfsuid(2), capabilities(7).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/report.h"

/*
 * Set fsuid and fsgid. setfsuid returns the old uid whether it succeeds or not, so a second call, which
 * changes nothing, tells whether the first one has worked.
 */
static int become(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
	return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid ? 0 : -EPERM;
}

GK_PUBLIC int gk_open_as_owner(int path_fd, int *fd, struct gk_report *report)
{
	uid_t uid = (uid_t)setfsuid((uid_t)-1);
	gid_t gid = (gid_t)setfsgid((gid_t)-1);
	int error = 0, opened = -1;
	struct stat about;
	char path[40];

	memset(report, 0, sizeof(*report));
	*fd = -1;
	if (fstat(path_fd, &about) < 0)
		return fail(report, -errno, 0, "cannot look at a file to open it");
	if (!S_ISREG(about.st_mode))
		return fail(report, -EINVAL, 0, "cannot open what is no regular file");
	/* The path leads through our own descriptor, so no folder's permissions matter. */
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", path_fd);
	error = become(about.st_uid, about.st_gid);
	if (!error) {
		opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (opened < 0)
			error = -errno;
	}
	if (become(uid, gid)) {
		if (opened >= 0)
			close(opened);
		return fail(report, -EPERM, 0, "cannot become fsuid %u again", uid);
	}
	if (error)
		return fail(report, error, 0, "cannot open a file as its owner %u:%u", about.st_uid,
			    about.st_gid);
	*fd = opened;
	return 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/report.h"

GK_PUBLIC int gk_list_xattrs(int fd, void *names, uint64_t *length, struct gk_report *report)
{
	ssize_t used = flistxattr(fd, names, *length);
	int error = used < 0 ? -errno : 0;

	memset(report, 0, sizeof(*report));
	if (error == -ERANGE) /* find out how much room the names need */
		used = flistxattr(fd, NULL, 0);
	if (used >= 0)
		*length = (uint64_t)used;
	return error ? fail(report, error, 0, "cannot list the file's extended attributes") : 0;
}

GK_PUBLIC int gk_get_xattr(int fd, const char *name, void *value, uint64_t *length, struct gk_report *report)
{
	ssize_t used = fgetxattr(fd, name, value, *length);
	int error = used < 0 ? -errno : 0;

	memset(report, 0, sizeof(*report));
	if (error == -ERANGE)
		used = fgetxattr(fd, name, NULL, 0);
	if (used >= 0)
		*length = (uint64_t)used;
	return error ? fail(report, error, 0, "cannot read extended attribute %.100s", name) : 0;
}

GK_PUBLIC int gk_set_xattr(int fd, const char *name, const void *value, uint64_t length,
			   struct gk_report *report)
{
	memset(report, 0, sizeof(*report));
	if (fsetxattr(fd, name, value, length, 0) < 0)
		return fail(report, -errno, 0, "cannot set extended attribute %.100s", name);
	return 0;
}

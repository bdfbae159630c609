// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/report.h"

/*
 * How often an open is tried. If a path, or a link on its way, has a "..", openat2(2) fails with EAGAIN
 * when anybody on the host renames something meanwhile: the kernel then cannot tell whether the path
 * stayed inside the root. Its manual page says to try again; a try takes microseconds.
 */
#define TRIES 1000

GK_PUBLIC int gk_open_in_root(int root_fd, const char *path, int *fd, struct gk_report *report)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	unsigned int tries = 0;
	long opened;

	do
		opened = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	while (opened < 0 && (errno == EAGAIN || errno == EINTR) && ++tries < TRIES);
	memset(report, 0, sizeof(*report));
	*fd = (int)opened;
	if (opened < 0)
		return fail(report, -errno, 0, "cannot open %.150s in the root", path);
	return 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "report.h"

GK_PUBLIC int gk_open_in_root(int root_fd, const char *path, int *fd,
			      struct gk_report *report)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long opened = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	memset(report, 0, sizeof(*report));
	*fd = (int)opened;
	if (opened < 0)
		return fail(report, -errno, 0, "cannot open %.150s in the root", path);
	return 0;
}

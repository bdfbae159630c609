// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/report.h"

GK_PUBLIC int gk_read_folder(int dir_fd, void *buffer, uint64_t capacity, uint64_t *got,
			     struct gk_report *report)
{
	long length = syscall(SYS_getdents64, dir_fd, buffer, capacity);

	memset(report, 0, sizeof(*report));
	*got = length < 0 ? 0 : (uint64_t)length;
	return length < 0 ? fail(report, -errno, 0, "cannot read a folder") : 0;
}

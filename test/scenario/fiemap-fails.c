// SPDX-License-Identifier: MIT
/*
 * For LD_PRELOAD: FS_IOC_FIEMAP fails from call number $FIEMAP_FAILS_AT on, as on a file system
 * that has a map of only the first part of a file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdlib.h>

int ioctl(int fd, unsigned long request, ...)
{
	static int calls;
	int (*real)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
	const char *at = getenv("FIEMAP_FAILS_AT");
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	if (request == FS_IOC_FIEMAP && at && ++calls >= atoi(at)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return real(fd, request, argument);
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "look/open-dir.h"

DIR *open_dir(int at, const char *path, int flags)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int error = errno;

	if (!dir && fd >= 0) {
		close(fd);
		errno = error;
	}
	return dir;
}

static bool is_on(int fd, const char *device)
{
	char own[24];
	struct stat st;

	if (fstat(fd, &st))
		return false;
	snprintf(own, sizeof(own), "%u:%u", major(st.st_dev), minor(st.st_dev));
	return !strcmp(own, device);
}

int folder_is_empty(const char *path, const char *device)
{
	DIR *dir = open_dir(AT_FDCWD, path, O_NOFOLLOW);
	const struct dirent *entry;
	int ret = 1;

	if (!dir)
		return -errno;
	if (!is_on(dirfd(dir), device))
		ret = -EXDEV;
	while (ret > 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			ret = 0;
	if (ret > 0 && errno)
		ret = -errno;
	closedir(dir);
	return ret;
}

// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mark.h"

int mark_take(const char *mark, const char *images, uint64_t least, const struct starter *starter)
{
	char making[PATH_MAX];
	int fd, length = snprintf(making, sizeof(making), "%s.%d", mark, (int)getpid());

	if (length < 0 || (size_t)length >= sizeof(making))
		return -1;
	fd = open(making, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (!flock(fd, LOCK_EX | LOCK_NB) &&
	    dprintf(fd, "%" PRIu64 " %d %" PRIu64 " %s", least, (int)starter->pid, starter->start, images) >
		    0 &&
	    !rename(making, mark))
		return fd;
	(void)!unlink(making);
	close(fd);
	return -1;
}

bool mark_is_newest(const char *mark, int fd)
{
	struct stat own, named;

	if (fd < 0 || fstat(fd, &own) || lstat(mark, &named))
		return true;
	return own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

// SPDX-License-Identifier: MIT
/*
 * A write lease belongs to the open file description of its holder, so fdinfo shows it. /proc/locks
 * would show all leases at once, but reading it waits for an RCU grace period, 10 to 20 ms in which
 * the container would be frozen. Source: locks_start() in fs/locks.c, percpu_down_write()
 */
#include "proc/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

/* A lease is listed behind the file's locks, of which there may be any number. */
#define MOST_LINES 100000
#define INFO_BYTES 1024

/*
 * Whether a line of fdinfo is a lease that an open for reading would break. An active lease for reading
 * is none. Source: lock_get_status() in fs/locks.c.
 */
static bool is_lease(const char *line)
{
	char kind[8], state[12], mode[8];

	if (sscanf(line, "lock: %*d: %7s %11s %7s", kind, state, mode) != 3 || strcmp(kind, "LEASE") != 0)
		return false;
	return strcmp(state, "ACTIVE") != 0 || strcmp(mode, "READ") != 0;
}

static int look_for_lease(FILE *info)
{
	AUTO_FREE char *line = NULL;
	size_t room = 0;
	int lines;

	for (lines = 0; getline(&line, &room, info) >= 0; lines++) {
		if (lines == MOST_LINES)
			return -E2BIG;
		if (is_lease(line))
			return 1;
	}
	return ferror(info) ? -EIO : 0;
}

/*
 * Reads the first INFO_BYTES of a descriptor's fdinfo: nearly no file has a lock, and then this one
 * read shows it. Returns 1 if a lock is listed, or if fdinfo is longer than that.
 */
static int may_have_lease(const char *path)
{
	char text[INFO_BYTES + 1] = "";
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	do
		got = read(fd, text, INFO_BYTES);
	while (got < 0 && errno == EINTR);
	error = got < 0 ? -errno : 0;
	close(fd);
	if (error)
		return error;
	return got == INFO_BYTES || strstr(text, "lock:") != NULL;
}

int breaks_lease(const char *link)
{
	const char *fd = strstr(link, "/fd/");
	char path[PATH_MAX];
	FILE *info;
	int found;

	if (!fd)
		return 0;
	if (snprintf(path, sizeof(path), "%.*s/fdinfo/%s", (int)(fd - link), link, fd + 4) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	found = may_have_lease(path);
	if (found <= 0)
		return found;
	info = fopen(path, "re");
	if (!info)
		return -errno;
	found = look_for_lease(info);
	fclose(info);
	return found;
}

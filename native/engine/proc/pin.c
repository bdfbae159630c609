// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attributes/flags.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/stat.h"
#include "base/threads.h"
#include "proc/lease.h"

#define WORTH_A_THREAD 16 /* files */

static int reopen_regular(int held)
{
	static const int how = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat about;
	char path[40];
	int fd;

	if (fstat(held, &about) < 0)
		return -errno;
	if (!S_ISREG(about.st_mode))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", held);
	fd = open(path, how | O_NOATIME);
	if (fd < 0 && errno == EPERM) /* only the owner and CAP_FOWNER may use O_NOATIME: open(2) */
		fd = open(path, how);
	return fd < 0 ? -errno : fd;
}

/*
 * Open path if it leads to a regular file: opening a FIFO waits, and opening a device has effects. The
 * descriptor of a process may lead to another file from one moment to the next. So its file is first
 * held by an O_PATH descriptor, which has no effects, then looked at and opened through that descriptor.
 */
static int open_regular(const char *path)
{
	int held = open(path, O_PATH | O_CLOEXEC);
	int leased, fd;

	if (held < 0)
		return -errno;
	leased = breaks_lease(path);
	fd = leased == 0 ? reopen_regular(held) : leased < 0 ? leased : -EAGAIN;
	close(held);
	return fd;
}

static int describe(int fd, struct gk_pin *pin)
{
	uint32_t flags;
	ssize_t names;
	int error = stat_at(fd, "", 0, &pin->stat);

	if (!error)
		error = inode_flags(fd, &flags);
	if (error)
		return error;
	pin->inode_flags = flags;
	names = flistxattr(fd, NULL, 0);
	if (names < 0 && errno != EOPNOTSUPP)
		return -errno;
	pin->xattr_bytes = names < 0 ? 0 : (uint64_t)names;
	return 0;
}

struct work {
	const char **paths;
	struct gk_pin *pins;
};

static void pin(void *argument, uint32_t i)
{
	const struct work *work = argument;
	int fd = open_regular(work->paths[i]);
	int error = fd < 0 ? fd : describe(fd, &work->pins[i]);

	if (error && fd >= 0)
		close(fd);
	work->pins[i].fd = error ? error : fd;
}

GK_PUBLIC int gk_pin(const char *paths, uint32_t count, struct gk_pin *pins, struct gk_report *report)
{
	AUTO_FREE const char **each = calloc(count, sizeof(*each));
	struct work work = { each, pins };
	uint32_t i;

	memset(report, 0, sizeof(*report));
	if (!each && count)
		return fail(report, -ENOMEM, 0, "cannot pin %u files", count);
	for (i = 0; i < count; i++, paths += strlen(paths) + 1)
		each[i] = paths;
	each_on_all_processors(pin, &work, count, WORTH_A_THREAD);
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * Looks at the suspects among a process's descriptors, all in one call from JavaScript instead of
 * one for each field.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "base/stat.h"
#include "base/threads.h"

#define WORTH_A_THREAD 16 /* descriptors */
#define FDINFO_BYTES 512  /* pos, flags and mnt_id come first. Source: fs/proc/fd.c, seq_show */

static int parse_field(const char *text, const char *name, int base, uint64_t *value)
{
	const char *line = strstr(text, name);
	char *end;

	if (!line)
		return -EBADMSG;
	line += strlen(name);
	errno = 0;
	*value = strtoull(line, &end, base);
	return errno || end == line ? -EBADMSG : 0;
}

static int read_fdinfo(int proc_fd, struct gk_look *look)
{
	char text[FDINFO_BYTES + 1], path[40];
	ssize_t got;
	int fd, error;

	snprintf(path, sizeof(path), "fdinfo/%" PRIu64, look->fd);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do /* one read gives the whole text, up to the buffer's end */
		got = read(fd, text, FDINFO_BYTES);
	while (got < 0 && errno == EINTR);
	error = got < 0 ? -errno : 0;
	close(fd);
	if (error)
		return error;
	text[got] = '\0';
	error = parse_field(text, "pos:", 10, &look->position);
	if (!error)
		error = parse_field(text, "flags:", 8, &look->flags);
	if (!error)
		error = parse_field(text, "mnt_id:", 10, &look->mount_id);
	return error;
}

struct work {
	int proc_fd;
	struct gk_look *looks;
	char *names;
};

/*
 * Describe one descriptor. The process may run and open another file under the same number meanwhile.
 * So the system calls follow each other directly, and the link is read last.
 */
static int look(const struct work *work, struct gk_look *look, char *name)
{
	char path[40];
	ssize_t length;
	int error;

	snprintf(path, sizeof(path), "fd/%" PRIu64, look->fd);
	look->name_bytes = 0;
	error = stat_at(work->proc_fd, path, AT_STATX_DONT_SYNC, &look->stat);
	if (!error)
		error = read_fdinfo(work->proc_fd, look);
	if (error)
		return error;
	length = readlinkat(work->proc_fd, path, name, GK_NAME_BYTES);
	if (length < 0 && errno != ENAMETOOLONG)
		return -errno;
	if (length > 0 && length < GK_NAME_BYTES)
		look->name_bytes = (uint64_t)length;
	return 0;
}

static void look_at_one(void *argument, uint32_t i)
{
	const struct work *work = argument;

	work->looks[i].error = look(work, &work->looks[i], work->names + (uint64_t)i * GK_NAME_BYTES);
}

GK_PUBLIC int gk_look_at(int proc_fd, uint32_t count, struct gk_look *looks, char *names,
			 struct gk_report *report)
{
	struct work work = { proc_fd, looks, names };

	memset(report, 0, sizeof(*report));
	each_on_all_processors(look_at_one, &work, count, WORTH_A_THREAD);
	return 0;
}

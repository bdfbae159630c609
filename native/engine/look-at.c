// SPDX-License-Identifier: MIT
/* What the suspects among a process's descriptors are, without a call of the runtime for each field. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "stat.h"
#include "threads.h"

#define LINK_BYTES 4096		/* the kernel shows less than a page; longer is an error */
#define AT_ONCE 1024		/* in a call: their names will nearly always have room */
#define WORTH_A_THREAD 16	/* descriptors */
#define FDINFO_BYTES 512	/* pos, flags and mnt_id come first. Source: fs/proc/fd.c, seq_show */

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
	do	/* one read gives all there is, up to the buffer's end */
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
};

static void look(void *argument, uint32_t i)
{
	const struct work *work = argument;
	struct gk_look *look = &work->looks[i];
	char path[40];

	snprintf(path, sizeof(path), "fd/%" PRIu64, look->fd);
	look->error = stat_at(work->proc_fd, path, &look->stat);
	if (!look->error)
		look->error = read_fdinfo(work->proc_fd, look);
}

/* Its name goes to the start of names, where there are LINK_BYTES. */
static int read_name(int proc_fd, struct gk_look *look, char *names)
{
	char path[40];
	ssize_t length;

	snprintf(path, sizeof(path), "fd/%" PRIu64, look->fd);
	length = readlinkat(proc_fd, path, names, LINK_BYTES);
	if (length < 0)
		return -errno;
	if (length == LINK_BYTES)
		return -ENAMETOOLONG;
	look->name_bytes = (uint64_t)length;
	return 0;
}

GK_PUBLIC int gk_look_at(int proc_fd, uint32_t count, struct gk_look *looks, char *names,
			 uint64_t names_bytes, uint32_t *done, struct gk_report *report)
{
	struct work work = { proc_fd, looks };
	uint64_t used = 0;

	memset(report, 0, sizeof(*report));
	if (count > AT_ONCE)
		count = AT_ONCE;
	each_on_all_processors(look, &work, count, WORTH_A_THREAD);
	for (*done = 0; *done < count && names_bytes - used >= LINK_BYTES; ++*done) {
		struct gk_look *one = &looks[*done];

		one->name_at = used;
		one->name_bytes = 0;
		if (!one->error)
			one->error = read_name(proc_fd, one, names + used);
		used += one->name_bytes;
	}
	return 0;
}

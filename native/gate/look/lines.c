// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "look/lines.h"

ssize_t read_again(int fd, void *to, size_t length)
{
	ssize_t got;

	do
		got = read(fd, to, length);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

int lines_open(struct lines *lines, int dir_fd, const char *path)
{
	lines->taken = 0;
	lines->used = 0;
	lines->fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return lines->fd < 0 ? -errno : 0;
}

/* Read more of the file. Returns 1 when there were more bytes, 0 at its end, or a negative errno. */
static int fill(struct lines *lines)
{
	ssize_t got;

	memmove(lines->buffer, lines->buffer + lines->taken, lines->used - lines->taken);
	lines->used -= lines->taken;
	lines->taken = 0;
	if (lines->used == sizeof(lines->buffer))
		return -EMSGSIZE;
	got = read_again(lines->fd, lines->buffer + lines->used, sizeof(lines->buffer) - lines->used);
	if (got <= 0)
		return (int)got;
	lines->used += (size_t)got;
	return 1;
}

int lines_next(struct lines *lines, char **line)
{
	char *end;
	int ret;

	while (!(end = memchr(lines->buffer + lines->taken, '\n', lines->used - lines->taken))) {
		ret = fill(lines);
		if (!ret && lines->used > 0)
			return -EBADMSG;
		if (ret <= 0)
			return ret;
	}
	*end = '\0';
	*line = lines->buffer + lines->taken;
	lines->taken = (size_t)(end + 1 - lines->buffer);
	return strlen(*line) == (size_t)(end - *line) ? 1 : -EBADMSG;
}

void lines_close(struct lines *lines)
{
	close(lines->fd);
}

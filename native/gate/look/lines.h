/* SPDX-License-Identifier: MIT */
/* Reads a file of /proc line by line, through a buffer of a fixed size. */
#ifndef GATE_LOOK_LINES_H
#define GATE_LOOK_LINES_H

#include <stddef.h>
#include <sys/types.h>

#define LINE_BYTES_MAX (64 * 1024)

struct lines {
	int fd;
	size_t taken, used;
	char buffer[LINE_BYTES_MAX];
};

/* read(2), repeated when a signal interrupts it. Returns the number of bytes or a negative errno. */
ssize_t read_again(int fd, void *to, size_t length);

/* Open path below dir_fd. Returns 0 or a negative errno. lines_close() closes the file. */
int lines_open(struct lines *lines, int dir_fd, const char *path);

/*
 * Returns 1 with the next line in *line, 0 at the end of the file, or a negative errno: -EMSGSIZE
 * for a line that is too long, -EBADMSG for a line with a NUL in it or without a newline at its end.
 */
int lines_next(struct lines *lines, char **line);

void lines_close(struct lines *lines);

#endif

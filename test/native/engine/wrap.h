/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for system calls the engine makes, put between by ld --wrap.
 * NULL, the normal state: the real one. A stand-in returns STAND_ASIDE to let
 * the real one answer.
 */
#ifndef TEST_WRAP_H
#define TEST_WRAP_H

#include <linux/fiemap.h>
#include <stdint.h>
#include <sys/types.h>

#define STAND_ASIDE (-2)

struct stand_ins {
	int (*fiemap)(int fd, struct fiemap *map);
	off_t (*lseek)(int fd, off_t offset, int whence);
	ssize_t (*copy_file_range)(int from, int to, size_t length);
	int (*reflink)(void);
	void (*before_read)(int fd); /* the real pread(2) follows */
	ssize_t (*pread)(int fd);
	void (*before_open)(void); /* the real open(2) follows */
};

extern struct stand_ins stand_in;

/* How often the engine has made each call since the last reset_calls(). */
struct calls {
	unsigned int fiemap, lseek, copy_file_range, reflink;
};

extern struct calls calls;

void stand_in_nowhere(void);

#endif

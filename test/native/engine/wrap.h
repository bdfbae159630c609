/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for system calls that the engine makes; ld --wrap puts them in between. Where a
 * stand-in is NULL, as it normally is, the real call is made. A stand-in returns STAND_ASIDE to
 * have the real call made.
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
	/* A range is to be written or punched; until is the end, or the new size. The real call follows. */
	void (*before_write)(int fd, uint64_t until);
};

extern struct stand_ins stand_in;

/* Returns how often the engine has made each call since the last reset_calls(). */
struct calls {
	unsigned int fiemap, lseek, copy_file_range, reflink;
};

extern struct calls calls;

void stand_in_nowhere(void);

#endif

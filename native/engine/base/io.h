/* SPDX-License-Identifier: MIT */
/*
 * All reads and writes of the library go through here. They are repeated until everything is done,
 * because the kernel may do only a part at a time.
 */
#ifndef GK_IO_H
#define GK_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A call reads one window at a time, and notices cancel after a window at the latest. */
#define WINDOW_BYTES (UINT64_C(1) << 20)

/* A range of this length or more is worth its own system calls, padding and reflink. */
#define LARGE_BYTES (UINT64_C(64) << 10)

/*
 * Returns the number of bytes read, which is less than length only at the end of the file, or a
 * negative errno.
 */
int64_t read_full(int fd, void *to, uint64_t length, uint64_t offset);

/*
 * Write count pieces one after the other. Returns 0 when all are written, or a negative errno. It
 * changes the vector.
 */
int writev_full(int fd, struct iovec *pieces, int count, uint64_t offset);

#endif

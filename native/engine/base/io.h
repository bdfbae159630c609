/* SPDX-License-Identifier: MIT */
/* The only reads and writes of the library: whole, whatever the kernel gives at a time. */
#ifndef GK_IO_H
#define GK_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* One window is what a call reads at once, and the longest it is deaf to cancel. */
#define WINDOW_BYTES (UINT64_C(1) << 20)

/* From here on a range is worth its own system calls, padding and reflink. */
#define LARGE_BYTES (UINT64_C(64) << 10)

/* Bytes read, fewer than length only at end of file; or a negative errno. */
int64_t read_full(int fd, void *to, uint64_t length, uint64_t offset);

/* Count pieces one after the other, all of them or a negative errno; eats the vector. */
int writev_full(int fd, struct iovec *pieces, int count, uint64_t offset);

#endif

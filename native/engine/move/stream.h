/* SPDX-License-Identifier: MIT */
/*
 * Bytes from and to a pipe, a socket or a file, blocking or not. Each call ends when the other side is
 * silent, and at until_ms of now_ms() in any case: a side that gives us a byte now and then is not silent.
 */
#ifndef GK_MOVE_STREAM_H
#define GK_MOVE_STREAM_H

#include <stdint.h>
#include <sys/uio.h>

/* CLOCK_MONOTONIC. */
uint64_t now_ms(void);

/*
 * Read length bytes. Returns how many bytes came before the end of the stream, or a negative errno:
 * -ETIMEDOUT when the first byte did not come within first_ms, or a later one within dead_ms of the one
 * before it, and -EBADMSG when fewer than 4000 bytes come in dead_ms. Without this last rule, a frame whose
 * length was damaged would wait for hours, because signs of life would slowly fill it.
 */
int64_t read_stream(int fd, void *to, uint64_t length, uint32_t first_ms, uint32_t dead_ms,
		    uint64_t until_ms);

/*
 * Write all pieces. It changes the vector. Returns 0, -ETIMEDOUT when nothing is taken for dead_ms, or
 * another negative errno.
 */
int write_stream(int fd, struct iovec *pieces, int count, uint32_t dead_ms, uint64_t until_ms);

#endif

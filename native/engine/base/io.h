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

/* What an earlier image holds, to be compared with what would be written there. */
struct earlier {
	unsigned char *room;	/* EARLIER_BYTES, the caller's; NULL: there is no earlier image */
	uint64_t kept;		/* bytes that were there already */
};

/* A window, and as many headers as are gathered for one. */
#define EARLIER_BYTES (WINDOW_BYTES + (UINT64_C(64) << 10))

/* As writev_full, but what is there already is not written again. */
int writev_changed(int fd, struct iovec *pieces, int count, uint64_t offset, struct earlier *earlier);

/* A buffer for DMA-friendly reads; NULL when there is no memory. Freed with free(). */
void *window_alloc(uint64_t bytes);

/* For __attribute__((cleanup(free_pointer))) on any pointer from malloc. */
void free_pointer(void *pointer_to_pointer);
#define AUTO_FREE __attribute__((cleanup(free_pointer)))

#endif

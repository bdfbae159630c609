/* SPDX-License-Identifier: MIT */
#ifndef GK_EARLIER_H
#define GK_EARLIER_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/io.h"

/*
 * A write over an earlier image is first compared with it, and equal blocks are not written again.
 * Bytes that are not in memory, and most windows after several without an equal byte, are written
 * without comparing, because that is faster. Only one thread at a time may use the struct.
 */
struct earlier {
	/* EARLIER_BYTES long, owned by the caller; NULL when there is no earlier image */
	unsigned char *room;
	uint64_t kept;	     /* bytes that were there already */
	uint64_t differing;  /* bytes that were compared and written */
	uint64_t uncompared; /* bytes that were written and not compared */
	uint32_t misses;     /* how many windows in a row had to be written whole */
};

/* The longest write: a window of data, and the headers of all chunks that gather.h adds to it. */
#define EARLIER_BYTES (WINDOW_BYTES + (UINT64_C(64) << 10))

/* As writev_full, but bytes that are already in the file are not written again. */
int writev_changed(int fd, struct iovec *pieces, int count, uint64_t offset, struct earlier *earlier);

/* Add what a thread counted in its own struct. */
void earlier_add(struct earlier *earlier, const struct earlier *other);

#endif

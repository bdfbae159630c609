/* SPDX-License-Identifier: MIT */
#ifndef GK_EARLIER_H
#define GK_EARLIER_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/io.h"

/* Memory to read an earlier image into, so that it can be compared with what would be written over it. */
struct earlier {
	unsigned char
		*room; /* EARLIER_BYTES long, owned by the caller; NULL when there is no earlier image */
	uint64_t kept; /* bytes that were there already */
};

/* A window of data, and the headers of all chunks that gather.h collects for one window. */
#define EARLIER_BYTES (WINDOW_BYTES + (UINT64_C(64) << 10))

/* As writev_full, but bytes that are already in the file are not written again. */
int writev_changed(int fd, struct iovec *pieces, int count, uint64_t offset, struct earlier *earlier);

#endif

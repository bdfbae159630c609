/* SPDX-License-Identifier: MIT */
#ifndef GK_EARLIER_H
#define GK_EARLIER_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/io.h"

/* What an earlier image holds, to be compared with what would be written there. */
struct earlier {
	unsigned char *room; /* EARLIER_BYTES, the caller's; NULL: there is no earlier image */
	uint64_t kept;	     /* bytes that were there already */
};

/* A window, and as many headers as are gathered for one. */
#define EARLIER_BYTES (WINDOW_BYTES + (UINT64_C(64) << 10))

/* As writev_full, but what is there already is not written again. */
int writev_changed(int fd, struct iovec *pieces, int count, uint64_t offset, struct earlier *earlier);

#endif

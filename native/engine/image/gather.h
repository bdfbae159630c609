/* SPDX-License-Identifier: MIT */
/*
 * Small chunks on their way into an image: what lies close together in the
 * ghost is read at once, gaps included, and headers and data of many chunks
 * leave in one write. A fragmented file costs two system calls a window.
 */
#ifndef GK_GATHER_H
#define GK_GATHER_H

#include <stdbool.h>
#include <sys/uio.h>

#include "image/chunk-header.h"

#define GATHER_CHUNKS 512 /* two pieces each: IOV_MAX is 1024 */

struct earlier;

struct gather {
	int from;
	int to;
	struct earlier *earlier; /* what may lie in to already */
	unsigned char *window;	 /* WINDOW_BYTES, the caller's */
	uint64_t position;	 /* where the next byte of the image goes */
	uint64_t data_bytes;	 /* gathered and not yet written */
	uint64_t run_offset;	 /* of the ghost, the run being collected */
	uint64_t run_bytes;
	uint64_t run_at; /* of the window, where it will be */
	uint32_t chunks;
	bool writing; /* the last failure was the image's */
	struct iovec pieces[2 * GATHER_CHUNKS];
	unsigned char headers[GATHER_CHUNKS][CHUNK_HEADER_ROOM];
};

/* False: there is no room for it before a flush. Length is at most WINDOW_BYTES. */
bool gather_add(struct gather *gather, uint64_t offset, uint64_t length, int *error);

/* Write what was gathered. -ENODATA: the ghost ends before it does. */
int gather_flush(struct gather *gather);

#endif

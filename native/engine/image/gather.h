/* SPDX-License-Identifier: MIT */
/*
 * Collects the head of an image and small chunks for it. Chunks that lie close together in the
 * ghost are read at once, with the gaps between them. The headers and data of many chunks are
 * written at once. So a fragmented file costs two system calls for each window.
 */
#ifndef GK_GATHER_H
#define GK_GATHER_H

#include <stdbool.h>
#include <sys/uio.h>

#include "image/chunk-header.h"

#define GATHER_CHUNKS 511 /* each has two pieces, the head is one, and IOV_MAX is 1024 */

struct earlier;

struct gather {
	int from;
	int to;
	struct earlier *earlier; /* an earlier image that to may hold */
	unsigned char *window;	 /* WINDOW_BYTES long; the caller owns it */
	uint64_t position;	 /* where the next byte of the image is written */
	uint64_t data_bytes;	 /* data that was gathered and is not yet written */
	uint64_t image_bytes;	 /* the same with the headers and the head of the image */
	uint64_t run_offset;	 /* offset in the ghost of the run: chunks and gaps read at once */
	uint64_t run_bytes;
	uint64_t run_at; /* offset in the window where the run will be */
	uint32_t chunks;
	int count;    /* how many pieces there are */
	bool writing; /* the last failure was in writing the image */
	struct iovec pieces[2 * GATHER_CHUNKS + 1];
	unsigned char headers[GATHER_CHUNKS][CHUNK_HEADER_ROOM];
};

/* Begin an image. The head is written with what follows it, and has to stay valid until then. */
void gather_head(struct gather *gather, const void *head, uint64_t length);

/*
 * Add a chunk of at most WINDOW_BYTES. Returns false when it has no room before a gather_flush().
 */
bool gather_add(struct gather *gather, uint64_t offset, uint64_t length, int *error);

/*
 * Write what was gathered. Returns 0, -ENODATA when the ghost ends too early, or another negative
 * errno.
 */
int gather_flush(struct gather *gather);

#endif

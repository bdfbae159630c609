/* SPDX-License-Identifier: MIT */
/*
 * A walk over a ghost image as hostile input: every chunk it gives out is
 * whole in the file, inside the ghost's size, and behind the one before.
 * Errors are in the report when they come back.
 */
#ifndef GK_IMAGE_READ_H
#define GK_IMAGE_READ_H

#include <stdbool.h>

#include "base/report.h"
#include "image/image-entries.h"

/* Fits the longest entry, wherever in a window it begins. */
#define IMAGE_WINDOW_BYTES (UINT64_C(2) << 20)

struct image {
	int fd;
	struct gk_report *report;
	uint64_t bytes;	   /* of the image file */
	uint64_t position; /* of the next header */
	uint64_t body;	   /* where the first can be */
	uint64_t size;	   /* of the ghost */
	uint64_t reached;  /* of the ghost, by the chunks so far */
	bool chunked;
	bool raw_given; /* the one chunk of an image without chunks */
	bool far;	/* the last header was far before position */
	unsigned char *window;
	uint64_t window_start;
	uint64_t window_bytes;
	/*
	 * Called before the window is read anew, by which pointers from
	 * image_bytes() become stale. May be NULL; its error ends the walk.
	 */
	int (*leaving)(void *context);
	void *context;
};

struct image_chunk {
	uint64_t offset; /* of the ghost */
	uint64_t length;
	uint64_t position; /* of its raw bytes in the image */
};

int image_open(struct image *image, int fd, struct gk_report *report);

/* The next chunk: 1, 0 behind the last, or a negative errno. */
int image_next(struct image *image, struct image_chunk *chunk);

/* length bytes at position in memory, length at most LARGE_BYTES or an entry's maximum. */
int image_bytes(struct image *image, uint64_t position, uint64_t length, const unsigned char **bytes);

void image_close(struct image *image);

#endif

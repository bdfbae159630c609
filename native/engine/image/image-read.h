/* SPDX-License-Identifier: MIT */
/*
 * A walk over a ghost image, which is taken for hostile input. Each chunk that it gives out is
 * complete in the image file and inside the ghost's size, and no two of them overlap. Their offsets
 * ascend, but may go back once: a dump over an earlier image puts what it has no room for at the
 * end (places.h). When a function returns an error, its message is in the report.
 */
#ifndef GK_IMAGE_READ_H
#define GK_IMAGE_READ_H

#include <stdbool.h>

#include "base/report.h"
#include "image/image-entries.h"

/* Room for the longest entry, wherever in a window it begins. */
#define IMAGE_WINDOW_BYTES (UINT64_C(2) << 20)

struct image_chunk {
	uint64_t offset; /* of the ghost */
	uint64_t length;
	uint64_t position; /* offset of its raw bytes in the image */
};

struct image {
	int fd;
	struct gk_report *report;
	uint64_t bytes;	   /* length of the image file */
	uint64_t position; /* offset of the next header */
	uint64_t body;	   /* offset of the first header */
	uint64_t size;	   /* of the ghost */
	uint64_t reached;  /* end of the last chunk, as an offset in the ghost */
	bool chunked;
	bool headers_only;   /* see image_open_headers() */
	bool first_run_only; /* the walk ends where the offsets go back; set it after image_open() */
	bool second_run;     /* the offsets went back */
	/*
	 * In the second run: another walk over the first run, and the chunk that it has reached. That
	 * chunk is the first one that does not end before the current chunk of the second run. So
	 * chunks of both runs are compared without a list of them.
	 */
	struct image *first;
	struct image_chunk beside;
	bool raw_given; /* an image without chunks has one chunk, and it was given out */
	bool far;	/* the last chunk was large, so a whole window would be read for one header */
	unsigned char *window;
	uint64_t window_start;
	uint64_t window_bytes;
	/*
	 * Called before the window is read anew, which invalidates pointers from image_bytes(). It
	 * may be NULL. Its error ends the walk.
	 */
	int (*leaving)(void *context);
	void *context;
};

int image_open(struct image *image, int fd, struct gk_report *report);

/*
 * As image_open, for a walk that asks for no raw bytes and ends before the offsets go back. It
 * reads little besides the headers.
 */
int image_open_headers(struct image *image, int fd, struct gk_report *report);

/* Give the next chunk. Returns 1, 0 after the last chunk, or a negative errno. */
int image_next(struct image *image, struct image_chunk *chunk);

/*
 * Set bytes to the length bytes of the image at position. They lie in the window and are valid until
 * it is read anew. length is at most LARGE_BYTES for content, and at most LENGTH_BYTES and
 * GHOST_ENTRY_MAX or CHUNK_ENTRY_MAX for an entry with its length prefix (format.h).
 */
int image_bytes(struct image *image, uint64_t position, uint64_t length, const unsigned char **bytes);

void image_close(struct image *image);

#endif

/* SPDX-License-Identifier: MIT */
/* Writes one chunk after the other. When a function fails, its message is in the report. */
#ifndef GK_IMAGE_CHUNKS_H
#define GK_IMAGE_CHUNKS_H

#include "image/dump.h"

/* The padding of one header can fill a gap of at most this length. */
#define GAP_MAX (UINT64_C(96) << 10)

/* The largest alignment of the raw bytes of a chunk. */
#define WIDE_ALIGN (UINT64_C(64) << 10)

/* Where the next chunk's header will be. */
uint64_t end_of_image(const struct dump *dump);

/* Dump a range at the end of the image. */
int append_chunk(struct dump *dump, const struct gk_extent *extent);

/*
 * Dump a range so that its data begins at position, where the earlier image has it. Returns 1, and
 * has done nothing, when the new image has passed that position, or no header fills the room in
 * front of it.
 */
int place_chunk(struct dump *dump, const struct gk_extent *extent, uint64_t position);

/* Write the small chunks that were gathered. */
int flush_chunks(struct dump *dump);

/* Dump raw bytes at the end of the image. */
int copy_to_image(struct dump *dump, uint64_t offset, uint64_t length);

/* Report a read or write that failed somewhere around offset. Returns the error. */
int explain(struct dump *dump, int error, bool writing, uint64_t offset);

/* Fail with -ESTALE if the ghost is shorter than the size that was asked for. Returns 0 or the error. */
int check_still_whole(struct dump *dump);

#endif

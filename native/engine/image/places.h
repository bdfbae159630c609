/* SPDX-License-Identifier: MIT */
/*
 * Where an earlier image has the data of a ghost. A dump over it leaves data where it is, although
 * the ghost has more or fewer extents by now. A range that has no room in front of such a place
 * is put off to the end of the image.
 *
 * The earlier image may hold anything. It only shows where to look: the dump compares or writes every
 * byte in any case.
 */
#ifndef GK_PLACES_H
#define GK_PLACES_H

#include "image/image-read.h"

struct places {
	struct image image; /* the earlier image, read just ahead of what is written over it */
	struct gk_report report;
	struct image_chunk next; /* the next place; its length is 0 when there is none left */
	bool last;		 /* the image ends where this place ends */
	uint32_t small;		 /* small chunks in a row */
	struct put_off *put_off; /* in order */
	uint32_t put_offs;
};

struct put_off {
	uint64_t offset, length;
};

/* Find the first place. There are none if the earlier image is short, or cannot be read. */
void places_open(struct places *places, int fd, uint64_t bytes);

/* Go on to the first place of data that does not end before offset in the ghost. */
void places_skip(struct places *places, uint64_t offset);

/* From now on there are no places. */
void places_end(struct places *places);

/* Put a range off to the end. Returns false when there is no room to note it. */
bool places_put_off(struct places *places, uint64_t offset, uint64_t length);

void places_close(struct places *places);

#endif

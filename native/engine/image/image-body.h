/* SPDX-License-Identifier: MIT */
/* The part of a ghost image behind its head. */
#ifndef GK_IMAGE_BODY_H
#define GK_IMAGE_BODY_H

#include <stdbool.h>

#include "copy/copier.h"
#include "copy/earlier.h"
#include "image/gather.h"
#include "map/walk-ahead.h"

/* One dump, set up; its head is written. */
struct dump {
	struct walk walk;
	struct walk_ahead ahead; /* over walk */
	struct walk zeroes;	 /* over one data range at a time, when zeroes are looked for */
	struct copier copier;
	struct gather gather;
	struct earlier earlier;
	struct gk_report *report;
	struct gk_progress *progress;
	uint64_t size;
	uint64_t align;
	bool detect_zeroes;
	bool over; /* the image may hold an earlier one */
};

/* The whole body, as chunks or raw. 0, or a negative errno that stands in the report. */
int dump_body(struct dump *dump, bool chunked);

/* Is the ghost as long as it was said to be? As above. */
int check_still_whole(struct dump *dump);

#endif

/* SPDX-License-Identifier: MIT */
/* The part of a ghost image behind its head. */
#ifndef GK_IMAGE_BODY_H
#define GK_IMAGE_BODY_H

#include <stdbool.h>

#include "copy/copier.h"
#include "copy/earlier.h"
#include "image/gather.h"
#include "map/walk-ahead.h"

/* A dump that is set up and whose head is written. */
struct dump {
	struct walk walk;
	struct walk_ahead ahead; /* over walk */
	struct walk zeroes;	 /* over one data range at a time, when zeroes inside data are left out */
	struct copier copier;
	struct gather gather;
	struct earlier earlier;
	struct gk_report *report;
	struct gk_progress *progress;
	uint64_t size;
	uint64_t align;
	bool detect_zeroes;
	bool over; /* the file may already hold an earlier image */
};

/*
 * Write the whole body, as chunks or as raw bytes. Returns 0, or a negative errno with a message in
 * the report.
 */
int dump_body(struct dump *dump, bool chunked);

/* Fail with -ESTALE if the ghost is shorter than the size that was asked for. Returns as above. */
int check_still_whole(struct dump *dump);

#endif

/* SPDX-License-Identifier: MIT */
/* A dump that is set up. */
#ifndef GK_DUMP_H
#define GK_DUMP_H

#include <stdbool.h>

#include "copy/copier.h"
#include "copy/earlier.h"
#include "image/gather.h"
#include "image/places.h"
#include "map/walk-ahead.h"

struct dump {
	struct walk walk;
	struct walk_ahead ahead; /* runs `walk` ahead of the copying */
	struct walk zeroes;	 /* over one data range at a time, when zeroes inside data are left out */
	struct copier copier;
	struct gather gather;
	struct earlier earlier;
	struct places places; /* where the earlier image has data */
	struct gk_report *report;
	struct gk_progress *progress;
	uint64_t size;
	uint64_t align;
	bool detect_zeroes;
	bool over;		/* the file may already hold an earlier image */
	uint64_t earlier_bytes; /* how long that image is */
};

#endif

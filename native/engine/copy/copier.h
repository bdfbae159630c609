/* SPDX-License-Identifier: MIT */
/* What a copy from one file to another knows of both, and where it has come to. */
#ifndef GK_COPIER_H
#define GK_COPIER_H

#include <stdbool.h>

#include "ghostkeep.h"

struct earlier;

struct copier {
	int from;
	int to;
	uint32_t ways;	       /* set of enum gk_copy_way still believed in */
	uint32_t used;	       /* set of those that moved bytes */
	bool dirty_by_hand;    /* what is in memory only is read and written, not shared */
	bool shared_by_hand;   /* what several processors share is read and written */
	uint64_t block;	       /* what reflink wants offsets to be a multiple of */
	unsigned char *window; /* WINDOW_BYTES, the caller's */
	struct earlier
		*earlier; /* what may lie in to already, or NULL; then bytes are compared, not shared */
	struct gk_progress *progress;
	uint64_t done; /* where the last copy came to: its length, or where it failed */
	bool writing;  /* the last failure was the destination's */
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The state of a copy from one file to another: its knowledge about both files, and how far it has come.
 */
#ifndef GK_COPIER_H
#define GK_COPIER_H

#include <stdbool.h>

#include "ghostkeep.h"

struct earlier;

struct copier {
	int from;
	int to;
	uint32_t ways;	       /* set of enum gk_copy_way that have not failed yet; 0 before the first copy */
	uint32_t used;	       /* set of enum gk_copy_way that moved bytes */
	bool dirty_by_hand;    /* dirty pages are copied by read and write, not shared by reflink */
	bool shared_by_hand;   /* ranges that several processors copy together are copied by read and write */
	uint64_t block;	       /* reflink needs offsets that are multiples of this */
	unsigned char *window; /* WINDOW_BYTES long; the caller owns it */
	/*
	 * The earlier image that the file `to` may hold, or NULL. If there is one, bytes are compared
	 * with it, and nothing is reflinked.
	 */
	struct earlier *earlier;
	struct gk_progress *progress;
	uint64_t done; /* bytes that the last copy has copied: all of its length, or up to its failure */
	bool writing;  /* the last failure was in writing the destination */
};

#endif

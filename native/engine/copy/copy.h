/* SPDX-License-Identifier: MIT */
/*
 * Moving bytes from one file to another by the best way there is. A way that
 * fails once is not tried again in the same call; only the last one, plain
 * read and write, decides whether the copy failed and why.
 */
#ifndef GK_COPY_H
#define GK_COPY_H

#include <stdbool.h>

#include "ghostkeep.h"

struct earlier;

struct copier {
	int from;
	int to;
	uint32_t ways;		/* set of enum gk_copy_way still believed in */
	uint32_t used;		/* set of those that moved bytes */
	bool dirty_by_hand;	/* what is in memory only is read and written, not shared */
	bool shared_by_hand;	/* what several processors share is read and written */
	uint64_t block;		/* what reflink wants offsets to be a multiple of */
	unsigned char *window;	/* WINDOW_BYTES, the caller's */
	struct earlier *earlier;	/* what may lie in to already, or NULL; then bytes are compared, not shared */
	struct gk_progress *progress;
	uint64_t done;		/* where the last copy came to: its length, or where it failed */
	bool writing;		/* the last failure was the destination's */
};

void copier_init(struct copier *copier, int from, int to, unsigned char *window,
		 struct gk_progress *progress);

/* Block size that allocations of fd's file system fall on: 4096 to 64 KiB. */
uint64_t block_size(int fd);

/*
 * 0 when all of length was copied. -ENODATA: the source ends before it does.
 * -ECANCELED, or the errno of the read or write that failed.
 */
int copy_bytes(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);

/* The same by hand, and over copier->earlier only what differs. Adds to copier->done. */
int copy_windows(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);

/* Other processors would take part in that. */
bool has_help(uint64_t length);

/* There is an earlier image, and memory to compare with it. */
bool has_earlier(const struct copier *copier);

#endif

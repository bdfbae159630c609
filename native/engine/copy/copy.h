/* SPDX-License-Identifier: MIT */
/*
 * Moving bytes from one file to another by the best way there is. A way that
 * fails once is not tried again in the same call; only the last one, plain
 * read and write, decides whether the copy failed and why.
 */
#ifndef GK_COPY_H
#define GK_COPY_H

#include "copy/copier.h"

void copier_init(struct copier *copier, int from, int to, unsigned char *window,
		 struct gk_progress *progress);

/* Block size that allocations of fd's file system fall on: 4096 to 64 KiB. */
uint64_t block_size(int fd);

/*
 * 0 when all of length was copied. -ENODATA: the source ends before it does.
 * -ECANCELED, or the errno of the read or write that failed.
 */
int copy_bytes(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);

#endif

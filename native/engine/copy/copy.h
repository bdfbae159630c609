/* SPDX-License-Identifier: MIT */
/*
 * Copies bytes from one file to another by the best way available. When a way has failed once, it
 * is not tried again in the same call. Only the last way, plain read and write, decides whether the
 * copy has failed and why.
 */
#ifndef GK_COPY_H
#define GK_COPY_H

#include <sys/stat.h>

#include "copy/copier.h"

void copier_init(struct copier *copier, int from, int to, unsigned char *window,
		 struct gk_progress *progress);

/* The block size in which fd's file system allocates, between 4096 bytes and 64 KiB. */
uint64_t block_size(int fd);
uint64_t block_bytes(const struct stat *about);

/*
 * Returns 0 when all of length was copied, -ENODATA when the source ends earlier, -ECANCELED, or
 * the errno of the read or write that failed.
 */
int copy_bytes(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);

#endif

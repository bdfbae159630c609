/* SPDX-License-Identifier: MIT */
#ifndef GK_COPY_WINDOWS_H
#define GK_COPY_WINDOWS_H

#include "copy/copier.h"

/*
 * As copy_bytes(), but by read and write only. Where copier->earlier has an earlier image, only the
 * bytes that differ from it are written. Adds to copier->done.
 */
int copy_windows(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);

/* Whether other processors would take part in copying this length. */
bool has_help(uint64_t length);

/* Whether there is an earlier image to compare with: its window is allocated. */
bool has_earlier(const struct copier *copier);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GK_COPY_WINDOWS_H
#define GK_COPY_WINDOWS_H

#include "copy/copier.h"

/* copy_bytes() by hand, and over copier->earlier only what differs. Adds to copier->done. */
int copy_windows(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);

/* Other processors would take part in that. */
bool has_help(uint64_t length);

/* There is an earlier image, and memory to compare with it. */
bool has_earlier(const struct copier *copier);

#endif

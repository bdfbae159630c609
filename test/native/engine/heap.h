/* SPDX-License-Identifier: MIT */
/*
 * How much memory the engine has. Blocks of 1 MiB and more are kept for the next call that asks for as much,
 * because asking the kernel for them, and telling the sanitizer, takes longer than a small case.
 */
#ifndef TEST_HEAP_H
#define TEST_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/* From now on large blocks are kept, or no longer. Kept blocks that are free may not be touched. */
void heap_keep(bool keep);

/* Begin to measure. */
void heap_reset(void);

/* The most that was allocated at a time since heap_reset(), over what was allocated then. */
uint64_t heap_peak(void);

/* How much more is allocated now than at heap_reset(). */
int64_t heap_left(void);

#endif

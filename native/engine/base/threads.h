/* SPDX-License-Identifier: MIT */
/* Work that all processors can share. */
#ifndef GK_THREADS_H
#define GK_THREADS_H

#include <stdint.h>

/* Those that are online, 1 at least. */
uint32_t processors(void);

/*
 * Call work(argument) on this thread and on others, as many as there are processors
 * and as often as items hold worth: starting one costs what that many take. Returns
 * when all have. Where no thread can be had this one does everything, so work takes
 * its items one by one from a counter that all share.
 */
void on_all_processors(void (*work)(void *), void *argument, uint64_t items, uint64_t worth);

/* The same for items that need nothing of their thread: one(argument, i) for each i below items. */
void each_on_all_processors(void (*one)(void *, uint32_t), void *argument, uint32_t items, uint32_t worth);

#endif

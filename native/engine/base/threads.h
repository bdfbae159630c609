/* SPDX-License-Identifier: MIT */
/* Spreads work over all processors. */
#ifndef GK_THREADS_H
#define GK_THREADS_H

#include <stdint.h>

/* The number of online processors, at least 1. */
uint32_t processors(void);

/*
 * Call work(argument) on this thread and on others, and return when all calls have returned.
 * Starting a thread costs about as much as processing `worth` items. So there is at most one
 * other thread for each `worth` items, and there are no more threads than processors. If other
 * threads cannot be started, this thread does everything. Therefore work() takes its items one by
 * one from a counter that all threads share.
 */
void on_all_processors(void (*work)(void *), void *argument, uint64_t items, uint64_t worth);

/*
 * The same where a thread needs no state of its own: calls one(argument, i) for each i below items.
 */
void each_on_all_processors(void (*one)(void *, uint32_t), void *argument, uint32_t items, uint32_t worth);

#endif

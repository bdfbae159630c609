/* SPDX-License-Identifier: MIT */
#ifndef GATE_DEADLINE_H
#define GATE_DEADLINE_H

#include <stdint.h>

/* The point in time that comes in ms milliseconds, by the monotonic clock. */
int64_t deadline_in(int ms);

/*
 * Wait until fd is readable (or at its end, or dead): 1 when it is, 0 when the
 * deadline has passed, or a negative errno. Signals do not end the wait.
 */
int wait_readable(int fd, int64_t deadline);

#endif

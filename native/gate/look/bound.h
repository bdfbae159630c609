/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_BOUND_H
#define GATE_LOOK_BOUND_H

#include <limits.h>
#include <stdint.h>

struct bound_file {
	char path[PATH_MAX]; /* as /proc/self/fd shows it; its mount may be in another namespace */
	uint32_t links;
};

/*
 * Find the file that a unix socket is bound to. Nothing is looked up by a name. Returns 1 with the file,
 * 0 for a socket that is bound to no file, or a negative errno.
 */
int bound_file(int pid, int fd, struct bound_file *file);

#endif

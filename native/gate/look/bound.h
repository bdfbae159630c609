/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_BOUND_H
#define GATE_LOOK_BOUND_H

#include <limits.h>
#include <stdint.h>

struct bound_file {
	char path[PATH_MAX]; /* in the mount namespace of the one who bound it */
	uint32_t links;
};

/*
 * The file that a unix socket is bound to. Nothing is looked up by a name. Returns 1, 0 for another
 * socket, or a negative errno.
 */
int bound_file(int pid, int fd, struct bound_file *file);

#endif

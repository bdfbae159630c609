/* SPDX-License-Identifier: MIT */
/* Tells which mounts are surely this machine's own, so that touching a file there waits for nobody. */
#ifndef GATE_LOOK_MOUNTS_H
#define GATE_LOOK_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "look/doubt.h"

/* This is what we know of a mount. Every file on a mount that is not local is in doubt. */
enum mount_kind {
	MOUNT_UNKNOWN, /* not in the table, with a server, or of a file system that we do not know */
	MOUNT_LOCAL,
	MOUNT_OVERLAY, /* local, and its link counts may be those of a lower layer */
	MOUNT_SHM,     /* the /dev/shm of the container, which somebody outside has mounted, too */
};

/*
 * Read the mounts that process pid sees and those that we see, once for all processes of the look.
 * Returns 0 or DOUBT.
 */
int mounts_read(struct look_result *result, int proc_fd, int pid);

enum mount_kind mount_kind(uint64_t id);

/* Whether there is a mount of the kind MOUNT_SHM. */
bool has_shared_shm(void);

/*
 * Is it empty? The helper names what no process holds there, because no checkpoint has it. Returns 0
 * or DOUBT.
 */
int look_at_shm(struct look_result *result);

#endif

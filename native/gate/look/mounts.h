/* SPDX-License-Identifier: MIT */
/* Tells which mounts are surely this machine's own, so that touching a file there waits for nobody. */
#ifndef GATE_LOOK_MOUNTS_H
#define GATE_LOOK_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "look/doubt.h"

/* This is what we know of a mount. Every file on a mount that is not local is in doubt. */
enum mount_kind {
	MOUNT_UNKNOWN, /* not in the table: it has a server, or a file system that we do not know */
	MOUNT_LOCAL,
	MOUNT_OVERLAY, /* local, but a link count may be that of a file in a lower layer */
	MOUNT_SHM,     /* the container's /dev/shm, and its file system is mounted outside, too */
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
 * Whether a shared /dev/shm is empty. If it is not, the helper is needed: it names the files there that
 * no process holds, because no checkpoint has them. Returns 0 or DOUBT.
 */
int look_at_shm(struct look_result *result);

#endif

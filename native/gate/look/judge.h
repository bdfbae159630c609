/* SPDX-License-Identifier: MIT */
/* Whether one file can be a ghost. No other part of the look decides this. */
#ifndef GATE_LOOK_JUDGE_H
#define GATE_LOOK_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "look/mounts.h"

struct look_file {
	const char *name; /* the text of its link in /proc */
	enum mount_kind mount;
	uint32_t mode, links;
	uint32_t rdev_major, rdev_minor;
	bool is_memory; /* on the kernel's own file system for memory, which nobody can mount */
};

/* Whether the link leads to a socket, a pipe or the like: something that has no file. */
bool has_no_file(const char *name);

bool is_socket(const char *name);

/* Whether the descriptor watches files: inotify or fanotify. */
bool is_watch(const char *name);

/* Whether path leads into a folder below /dev/shm, and not to a file directly in /dev/shm. */
bool is_below_shm(const char *path);

/* Whether the link may lead to memory that CRIU keeps itself: a memfd or a shared mapping. */
bool may_be_memory(const char *name);

/*
 * Returns NULL where src/ghost/find would surely find no ghost, else why there is a doubt. It may
 * doubt more than the finder finds, and never less.
 */
const char *why_doubted(const struct look_file *file);

#endif

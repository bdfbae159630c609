/* SPDX-License-Identifier: MIT */
/* Looks at every file that one process holds. */
#ifndef GATE_LOOK_FILES_H
#define GATE_LOOK_FILES_H

#include "look/doubt.h"

/*
 * The share of one child. Several children look at the same processes, and each looks at every count-th
 * descriptor. Only the first child looks at exe, cwd, root and mappings.
 */
struct share {
	int index; /* from 0 on */
	int count;
};

/* Call this once, before the first process. */
void files_begin(const struct share *own);

/*
 * Look at the exe, cwd, root, descriptors and mappings of a process. proc_fd is /proc. Nothing is
 * opened but files of /proc, and no server is asked. Returns 0 or DOUBT.
 */
int look_at_files(struct look_result *result, int proc_fd, int pid);

/* Calls take for each number in a folder of /proc, until one is in doubt. Returns 0 or DOUBT. */
typedef int (*take_number)(struct look_result *result, int proc_fd, int pid, int number);
int each_number(struct look_result *result, int proc_fd, int pid, const char *folder, take_number take);

#endif

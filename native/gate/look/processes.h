/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_PROCESSES_H
#define GATE_LOOK_PROCESSES_H

#include "look/doubt.h"
#include "look/files.h"

/*
 * Look at the process root and all processes below it; `own` says which descriptors are this child's
 * share. proc_fd is /proc. The processes are in *result afterwards. Returns 0 if surely none of them
 * holds a ghost, or DOUBT.
 */
int look_at_processes(struct look_result *result, int proc_fd, int root, const struct share *own);

#endif

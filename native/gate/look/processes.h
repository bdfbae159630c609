/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_PROCESSES_H
#define GATE_LOOK_PROCESSES_H

#include "look/doubt.h"
#include "look/files.h"

/*
 * Look at own's share of a process and all below it. proc_fd is /proc. The processes are in *result
 * afterwards. Returns 0 where none of them surely holds anything of ours, or DOUBT.
 */
int look_at_processes(struct look_result *result, int proc_fd, int root, const struct share *own);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_SAME_FILES_H
#define GATE_LOOK_SAME_FILES_H

#include <stdbool.h>

/* Whether the thread surely shares the table of descriptors with its main thread. Source: kcmp(2). */
bool has_same_files(int pid, int tid);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_SAME_FILES_H
#define GATE_LOOK_SAME_FILES_H

#include <stdbool.h>

/* Whether the thread surely has the descriptors of its process. Source: kcmp(2). */
bool has_same_files(int pid, int tid);

#endif

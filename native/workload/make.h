/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_MAKE_H
#define WORKLOAD_MAKE_H

#include "workload.h"

int make_ghost(struct workload *w, unsigned int index);
/* Set the times of the ghost at index. They are far from now, and every digit of them counts. */
int set_times(int fd, unsigned int index);
struct holder *add_holder(struct workload *w, const struct ghost *ghost, const char *role, int fd);

#endif

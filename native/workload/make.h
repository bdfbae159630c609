/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_MAKE_H
#define WORKLOAD_MAKE_H

#include "workload.h"

int make_ghost(struct workload *w, unsigned int index);
/* Times of the ghost at index: far from now, with all their digits. */
int set_times(int fd, unsigned int index);
struct holder *add_holder(struct workload *w, const struct ghost *ghost, const char *role, int fd);

#endif

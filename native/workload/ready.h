/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_READY_H
#define WORKLOAD_READY_H

#include "workload.h"

int write_ready(const struct workload *w);
int read_ready(struct workload *w);
const struct holder *find_holder(const struct workload *w, const char *kind, const char *role);

#endif

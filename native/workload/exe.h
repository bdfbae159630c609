/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_EXE_H
#define WORKLOAD_EXE_H

#include "workload.h"

int run_from_deleted_exe(const struct workload *w, char **argv);
int add_exe_holder(struct workload *w, unsigned int index);

#endif

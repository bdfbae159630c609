/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_SHARED_H
#define WORKLOAD_SHARED_H

#include <stdio.h>

#include "workload.h"

int start_second_process(const char *dir, struct ghost *ghost);
void check_second_process(FILE *to, const struct ghost *ghost);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_VERDICT_H
#define WORKLOAD_VERDICT_H

#include <stdio.h>

#include "workload.h"

void verdict(FILE *to, struct workload *w);
int verify_inherited(struct workload *w);

#endif

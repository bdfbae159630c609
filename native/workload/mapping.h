/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_MAPPING_H
#define WORKLOAD_MAPPING_H

#include <stdio.h>

#include "workload.h"

void check_mapping(FILE *to, const struct ghost *ghost);

#endif

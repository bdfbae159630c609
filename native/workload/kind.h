/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_KIND_H
#define WORKLOAD_KIND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "workload.h"

int find_kind(const char *name, struct kind *kind);
void print_kinds(FILE *to);
/* Give the next data range at or after *at, and move *at behind it. Returns false when there is none. */
bool next_data(const struct kind *kind, uint64_t *at, struct range *range);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_CHECK_H
#define WORKLOAD_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "workload.h"

void result(FILE *to, const char *kind, const char *what, bool ok, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
bool any_not_ok(void);
void check_contents(FILE *to, const struct kind *kind, const struct holder *expected, int fd);
void check_description(FILE *to, const struct holder *expected, int fd);
void check_same_description(FILE *to, const char *kind, const char *what, int fd, int other);

#endif

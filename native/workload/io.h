/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_IO_H
#define WORKLOAD_IO_H

#include <stdint.h>
#include <stdio.h>

int write_all(int fd, const void *bytes, size_t length, uint64_t offset);
int read_all(int fd, void *bytes, size_t length, uint64_t offset);
uint64_t seek_hole_bytes(int fd, uint64_t size);
/* open_report opens a stream to DIR/name.tmp; finish_report renames that to DIR/name. */
FILE *open_report(const char *dir, const char *name);
int finish_report(FILE *report, const char *dir, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WORKLOAD_PATTERN_H
#define WORKLOAD_PATTERN_H

#include <stddef.h>
#include <stdint.h>

uint64_t pattern_seed(const char *name);
void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *to, size_t length);
/* Returns the offset of the first byte that differs, or -1. */
int64_t pattern_compare(uint64_t seed, uint64_t offset, const uint8_t *bytes, size_t length);
/* Compute FNV-1a of the whole file. */
int digest_file(int fd, uint64_t *digest);

#endif

/* SPDX-License-Identifier: MIT */
/* Which pages of a file are in memory: cachestat(2), which the kernel has since Linux 6.5. */
#ifndef GK_PAGE_CACHE_H
#define GK_PAGE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether more than half of a range is dirty. It is false where the kernel cannot tell. */
bool is_dirty(int fd, uint64_t offset, uint64_t length);

/* Whether a whole range is in memory. It is true where the kernel cannot tell. */
bool is_in_memory(int fd, uint64_t offset, uint64_t length);

#endif

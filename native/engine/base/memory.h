/* SPDX-License-Identifier: MIT */
#ifndef GK_MEMORY_H
#define GK_MEMORY_H

#include <stdint.h>

/*
 * Allocate a buffer for reads. It begins at a multiple of 4096, which is for speed alone: a page may be
 * larger. NULL when there is no memory. The caller frees it with free().
 */
void *window_alloc(uint64_t bytes);

/* For __attribute__((cleanup(free_pointer))) on any pointer from malloc. */
void free_pointer(void *pointer_to_pointer);
#define AUTO_FREE __attribute__((cleanup(free_pointer)))

#endif

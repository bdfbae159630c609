/* SPDX-License-Identifier: MIT */
#ifndef GK_MEMORY_H
#define GK_MEMORY_H

#include <stdint.h>

/*
 * Allocate a buffer for reads. It begins at a multiple of 4096, for speed. No caller may rely on an
 * alignment to pages, because a page may be larger. NULL when there is no memory. The caller frees
 * the buffer with free().
 */
void *window_alloc(uint64_t bytes);

/* For __attribute__((cleanup(free_pointer))) on any pointer from malloc. */
void free_pointer(void *pointer_to_pointer);
#define AUTO_FREE __attribute__((cleanup(free_pointer)))

#endif

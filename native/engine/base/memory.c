// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"

void *window_alloc(uint64_t bytes)
{
	return aligned_alloc(4096, bytes);
}

void free_pointer(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

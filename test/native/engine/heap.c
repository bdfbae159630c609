// SPDX-License-Identifier: MIT
#include <malloc.h>
#include <stddef.h>
#include <string.h>

#include "heap.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, bytes) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(block, bytes) ((void)0)
#endif

#define LARGE_BLOCK (1u << 20)
#define KEPT_MOST 8
/* Forbidding a block takes a write for each 8 of its bytes, so that is done to one block of so many. */
#define FORBIDDEN_ONE_IN 8

static struct kept {
	void *block;
	size_t bytes;
	bool used, forbidden;
} kept[KEPT_MOST];
static bool keeps;
static unsigned int frees;
static int64_t live, begun, most;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *block);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *block);

static void count(int64_t bytes)
{
	int64_t now = __atomic_add_fetch(&live, bytes, __ATOMIC_RELAXED);
	int64_t before = __atomic_load_n(&most, __ATOMIC_RELAXED);

	while (now > before &&
	       !__atomic_compare_exchange_n(&most, &before, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static struct kept *find(const void *block)
{
	for (int i = 0; i < KEPT_MOST; i++)
		if (kept[i].block == block)
			return &kept[i];
	return NULL;
}

/* Only one thread asks for large blocks. */
static void *take_kept(size_t bytes)
{
	for (int i = 0; keeps && i < KEPT_MOST; i++) {
		if (kept[i].used || kept[i].bytes != bytes)
			continue;
		if (kept[i].forbidden)
			ASAN_UNPOISON_MEMORY_REGION(kept[i].block, bytes);
		kept[i].used = true;
		kept[i].forbidden = false;
		return kept[i].block;
	}
	return NULL;
}

static void *taken(void *block, size_t bytes)
{
	struct kept *room = keeps && bytes >= LARGE_BLOCK ? find(NULL) : NULL;

	if (block && room)
		*room = (struct kept){ block, bytes, true, false };
	return block;
}

void *__wrap_malloc(size_t bytes)
{
	void *block = bytes >= LARGE_BLOCK ? take_kept(bytes) : NULL;

	if (!block)
		block = taken(__real_malloc(bytes), bytes);
	count(block ? (int64_t)malloc_usable_size(block) : 0);
	return block;
}

void *__wrap_calloc(size_t number, size_t bytes)
{
	void *block = __real_calloc(number, bytes);

	count(block ? (int64_t)malloc_usable_size(block) : 0);
	return block;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
	void *block = bytes >= LARGE_BLOCK ? take_kept(bytes) : NULL;

	if (!block)
		block = taken(__real_aligned_alloc(alignment, bytes), bytes);
	count(block ? (int64_t)malloc_usable_size(block) : 0);
	return block;
}

void __wrap_free(void *block)
{
	struct kept *is_kept = block ? find(block) : NULL;

	if (block)
		count(-(int64_t)malloc_usable_size(block));
	if (!is_kept) {
		__real_free(block);
		return;
	}
	is_kept->used = false;
	is_kept->forbidden = frees++ % FORBIDDEN_ONE_IN == 0;
	if (is_kept->forbidden)
		ASAN_POISON_MEMORY_REGION(block, is_kept->bytes);
}

void heap_keep(bool keep)
{
	keeps = keep;
	for (int i = 0; !keep && i < KEPT_MOST; i++) {
		if (kept[i].block && !kept[i].used) {
			ASAN_UNPOISON_MEMORY_REGION(kept[i].block, kept[i].bytes);
			__real_free(kept[i].block);
			kept[i].block = NULL;
			kept[i].bytes = 0;
		}
	}
}

void heap_reset(void)
{
	begun = most = live;
}

uint64_t heap_peak(void)
{
	return (uint64_t)(most - begun);
}

int64_t heap_left(void)
{
	return live - begun;
}

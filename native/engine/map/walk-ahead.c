// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>

#include "map/walk-ahead.h"

/* Starting a thread costs about as much as finding this many extents. */
#define ALONE_EXTENTS 256

/*
 * Limits for one batch of the thread. In BATCH_BYTES holes count, too. Bytes that the thread has read
 * should still be in the page cache when they are copied, and progress should show regularly.
 */
#define BATCH_EXTENTS 512
#define BATCH_BYTES (UINT64_C(64) << 20)
#define BATCHES 2

struct batch {
	uint32_t count;
	int end;	 /* the last return value of walk_next(); 1: the walk goes on */
	uint32_t engine; /* the engine in use when the batch began; another may have found its last extent */
	struct gk_extent extents[BATCH_EXTENTS];
};

struct walk_thread {
	struct walk *walk;
	pthread_t thread;
	pthread_mutex_t lock; /* guards filled and emptied; the thread owns a batch until it is filled */
	pthread_cond_t moved;
	uint64_t filled, emptied;
	const struct batch *current; /* the batch that the caller is emptying */
	uint32_t taken;		     /* extents taken from current */
	struct batch batches[BATCHES];
};

static void fill(struct walk *walk, struct batch *batch)
{
	uint64_t start = walk->pos;

	batch->count = 0;
	batch->engine = walk->engine;
	do {
		batch->end = walk_next(walk, &batch->extents[batch->count]);
		if (batch->end > 0)
			batch->count++;
	} while (batch->end > 0 && batch->count < BATCH_EXTENTS && walk->pos - start < BATCH_BYTES &&
		 walk->engine == batch->engine && !stopped(walk));
}

static void *find(void *argument)
{
	struct walk_thread *thread = argument;
	struct batch *batch;

	pthread_mutex_lock(&thread->lock);
	do {
		while (thread->filled - thread->emptied == BATCHES && !stopped(thread->walk))
			pthread_cond_wait(&thread->moved, &thread->lock);
		if (stopped(thread->walk))
			break;
		batch = &thread->batches[thread->filled % BATCHES];
		pthread_mutex_unlock(&thread->lock);
		fill(thread->walk, batch);
		pthread_mutex_lock(&thread->lock);
		thread->filled++;
		pthread_cond_signal(&thread->moved);
	} while (batch->end > 0);
	pthread_mutex_unlock(&thread->lock);
	return NULL;
}

static struct walk_thread *begin(struct walk *walk)
{
	struct walk_thread *thread = calloc(1, sizeof(*thread));

	if (!thread)
		return NULL;
	thread->walk = walk;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_cond_init(&thread->moved, NULL);
	if (!pthread_create(&thread->thread, NULL, find, thread))
		return thread;
	free(thread);
	return NULL;
}

static const struct batch *wait_for_batch(struct walk_thread *thread)
{
	pthread_mutex_lock(&thread->lock);
	while (thread->filled == thread->emptied)
		pthread_cond_wait(&thread->moved, &thread->lock);
	pthread_mutex_unlock(&thread->lock);
	return &thread->batches[thread->emptied % BATCHES];
}

static void give_back(struct walk_thread *thread)
{
	thread->current = NULL;
	thread->taken = 0;
	pthread_mutex_lock(&thread->lock);
	thread->emptied++;
	pthread_cond_signal(&thread->moved);
	pthread_mutex_unlock(&thread->lock);
}

static int take(struct walk_thread *thread, struct gk_extent *extent)
{
	if (!thread->current)
		thread->current = wait_for_batch(thread);
	if (thread->taken == thread->current->count && thread->current->end > 0) {
		give_back(thread);
		thread->current = wait_for_batch(thread);
	}
	if (thread->taken == thread->current->count)
		return thread->current->end;
	*extent = thread->current->extents[thread->taken++];
	return 1;
}

int walk_ahead_next(struct walk_ahead *ahead, struct gk_extent *extent)
{
	int got;

	if (!ahead->thread && ahead->alone == ALONE_EXTENTS) {
		ahead->alone = 0;
		ahead->thread = begin(ahead->walk);
	}
	if (ahead->thread) {
		got = take(ahead->thread, extent);
		ahead->engine = ahead->thread->current->engine;
		return got;
	}
	ahead->alone++;
	got = walk_next(ahead->walk, extent);
	ahead->engine = ahead->walk->engine;
	return got;
}

void walk_ahead_end(struct walk_ahead *ahead)
{
	struct walk_thread *thread = ahead->thread;

	if (!thread)
		return;
	pthread_mutex_lock(&thread->lock);
	__atomic_store_n(&thread->walk->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&thread->moved);
	pthread_mutex_unlock(&thread->lock);
	pthread_join(thread->thread, NULL);
	pthread_cond_destroy(&thread->moved);
	pthread_mutex_destroy(&thread->lock);
	free(thread);
	ahead->thread = NULL;
}

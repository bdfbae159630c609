// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <unistd.h>

#include "base/threads.h"

#define OTHERS_MAX 15

struct task {
	void (*work)(void *);
	void *argument;
};

static void *run(void *argument)
{
	const struct task *task = argument;

	task->work(task->argument);
	return NULL;
}

/* Reads the number once, because sysconf(3) reads it from a file each time. */
uint32_t processors(void)
{
	static long online;
	long known = __atomic_load_n(&online, __ATOMIC_RELAXED);

	if (known == 0) {
		known = sysconf(_SC_NPROCESSORS_ONLN);
		__atomic_store_n(&online, known, __ATOMIC_RELAXED);
	}
	return known > 1 ? (uint32_t)known : 1;
}

static uint32_t others_for(uint64_t items, uint64_t worth)
{
	uint64_t others = processors() - 1;

	if (others > items / worth)
		others = items / worth;
	return others < OTHERS_MAX ? (uint32_t)others : OTHERS_MAX;
}

void on_all_processors(void (*work)(void *), void *argument, uint64_t items, uint64_t worth)
{
	uint32_t wanted = others_for(items, worth), started = 0;
	struct task task = { work, argument };
	pthread_t threads[OTHERS_MAX];

	while (started < wanted && !pthread_create(&threads[started], NULL, run, &task))
		started++;
	work(argument);
	while (started)
		pthread_join(threads[--started], NULL);
}

struct each {
	void (*one)(void *, uint32_t);
	void *argument;
	uint32_t items;
	uint32_t next; /* shared: the first item that no thread has taken */
};

static void take_each(void *argument)
{
	struct each *each = argument;
	uint32_t i;

	while ((i = __atomic_fetch_add(&each->next, 1, __ATOMIC_RELAXED)) < each->items)
		each->one(each->argument, i);
}

void each_on_all_processors(void (*one)(void *, uint32_t), void *argument, uint32_t items, uint32_t worth)
{
	struct each each = { one, argument, items, 0 };

	on_all_processors(take_each, &each, items, worth);
}

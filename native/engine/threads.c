// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <unistd.h>

#include "threads.h"

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

static uint32_t others_for(uint64_t items, uint64_t worth)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t others = processors > 1 ? (uint64_t)processors - 1 : 0;

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

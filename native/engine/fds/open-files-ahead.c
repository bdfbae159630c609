// SPDX-License-Identifier: MIT
/* Looks at the descriptors of the next processes while the caller handles those of the last one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "base/threads.h"
#include "fds/open-files.h"

#define MOST_THREADS 8
#define MOST_AHEAD 64 /* processes whose open files are kept in memory until the caller takes them */
#define FIRST_ROOM 1024

struct process {
	uint32_t pid;
	int done;
	int error;
	struct gk_open_file *files;
	uint32_t *suspects, *carriers;
	struct gk_open_counts counts, given;
};

struct ahead {
	pthread_mutex_t lock;
	pthread_cond_t moved; /* a process is done or was taken, or the threads are to end */
	pthread_t threads[MOST_THREADS];
	uint32_t threads_count;
	uint32_t count, next, taken;
	int end;
	struct local local;
	struct process processes[];
};

/* List all numbers of the directory, in memory that grows with them. */
static int list_all(int dir_fd, struct process *process)
{
	uint32_t room = 0, got, wanted;
	struct gk_open_file *more;
	int err;

	do {
		room = room ? 2 * room : FIRST_ROOM;
		more = realloc(process->files, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		process->files = more;
		wanted = room - process->counts.looked;
		err = list_open_files(dir_fd, more + process->counts.looked, wanted, &got);
		process->counts.looked += got;
	} while (!err && got == wanted);
	return err;
}

static int look_at_process(struct local local, struct process *process)
{
	char path[32];
	int err, dir_fd;

	snprintf(path, sizeof(path), "/proc/%u/fd", process->pid);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	err = list_all(dir_fd, process);
	if (!err) {
		process->suspects = malloc((process->counts.looked + 1) * sizeof(uint32_t));
		process->carriers = malloc((process->counts.looked + 1) * sizeof(uint32_t));
		err = process->suspects && process->carriers ? 0 : -ENOMEM;
	}
	if (!err) {
		look_at_open_files(dir_fd, local, process->files, process->counts.looked);
		sort_open_files(process->files, process->suspects, process->carriers, &process->counts);
	}
	close(dir_fd);
	return err;
}

static void *run(void *argument)
{
	struct ahead *ahead = argument;

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->end && ahead->next < ahead->count) {
		struct process *process = &ahead->processes[ahead->next];

		if (ahead->next >= ahead->taken + MOST_AHEAD) {
			pthread_cond_wait(&ahead->moved, &ahead->lock);
			continue;
		}
		ahead->next++;
		pthread_mutex_unlock(&ahead->lock);
		process->error = look_at_process(ahead->local, process);
		pthread_mutex_lock(&ahead->lock);
		process->done = 1;
		pthread_cond_broadcast(&ahead->moved);
	}
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

static void forget(struct process *process)
{
	free(process->files);
	free(process->suspects);
	free(process->carriers);
	process->files = NULL;
	process->suspects = NULL;
	process->carriers = NULL;
}

/* Copy the next items that were not given yet, at most capacity. Returns how many were copied. */
static uint32_t give(uint32_t *to, const uint32_t *from, uint32_t count, uint32_t *given, uint32_t capacity)
{
	uint32_t some = count - *given < capacity ? count - *given : capacity;

	memcpy(to, from + *given, some * sizeof(*to));
	*given += some;
	return some;
}

GK_PUBLIC int gk_ahead_begin(const uint32_t *pids, uint32_t count, const uint64_t *local,
			     uint32_t local_count, uint64_t *handle, struct gk_report *report)
{
	struct ahead *ahead;
	uint32_t wanted = processors();
	int err = 0;

	if (wanted > MOST_THREADS)
		wanted = MOST_THREADS;
	memset(report, 0, sizeof(*report));
	ahead = calloc(1, sizeof(*ahead) + (size_t)count * sizeof(*ahead->processes));
	if (!ahead)
		return fail(report, -ENOMEM, 0, "cannot look at %u processes", count);
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->moved, NULL);
	ahead->count = count;
	ahead->local = (struct local){ local, local_count, NULL, 0 };
	for (uint32_t i = 0; i < count; i++)
		ahead->processes[i].pid = pids[i];
	while (!err && ahead->threads_count < wanted) {
		err = pthread_create(&ahead->threads[ahead->threads_count], NULL, run, ahead);
		if (!err)
			ahead->threads_count++;
	}
	*handle = (uint64_t)(uintptr_t)ahead;
	if (ahead->threads_count > 0)
		return 0;
	gk_ahead_end(*handle, report);
	return fail(report, -err, 0, "cannot start a thread");
}

GK_PUBLIC int gk_ahead_take(uint64_t handle, uint32_t capacity, struct gk_open_file *files,
			    uint32_t *suspects, uint32_t *carriers, struct gk_open_counts *counts,
			    struct gk_report *report)
{
	struct ahead *ahead = (struct ahead *)(uintptr_t)handle;
	struct process *process = &ahead->processes[ahead->taken];

	memset(report, 0, sizeof(*report));
	memset(counts, 0, sizeof(*counts));
	if (ahead->taken == ahead->count)
		return fail(report, -EINVAL, 0, "all processes have been taken");
	pthread_mutex_lock(&ahead->lock);
	while (!process->done)
		pthread_cond_wait(&ahead->moved, &ahead->lock);
	pthread_mutex_unlock(&ahead->lock);

	if (!process->error) {
		struct gk_open_counts *given = &process->given;
		uint32_t files_left = process->counts.files - given->files;

		counts->files = files_left < capacity ? files_left : capacity;
		memcpy(files, process->files + given->files, counts->files * sizeof(*files));
		given->files += counts->files;
		counts->suspects = give(suspects, process->suspects, process->counts.suspects,
					&given->suspects, capacity);
		counts->carriers = give(carriers, process->carriers, process->counts.carriers,
					&given->carriers, capacity);
		counts->looked = counts->files + counts->suspects + counts->carriers;
		if (counts->looked > 0)
			return 0;
	}
	forget(process);
	pthread_mutex_lock(&ahead->lock);
	ahead->taken++;
	pthread_cond_broadcast(&ahead->moved);
	pthread_mutex_unlock(&ahead->lock);
	if (process->error)
		return fail(report, process->error, 0, "cannot list the descriptors of process %u",
			    process->pid);
	return 0;
}

GK_PUBLIC int gk_ahead_end(uint64_t handle, struct gk_report *report)
{
	struct ahead *ahead = (struct ahead *)(uintptr_t)handle;

	memset(report, 0, sizeof(*report));
	pthread_mutex_lock(&ahead->lock);
	ahead->end = 1;
	pthread_cond_broadcast(&ahead->moved);
	pthread_mutex_unlock(&ahead->lock);
	for (uint32_t i = 0; i < ahead->threads_count; i++)
		pthread_join(ahead->threads[i], NULL);
	for (uint32_t i = 0; i < ahead->count; i++)
		forget(&ahead->processes[i]);
	pthread_cond_destroy(&ahead->moved);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
	return 0;
}

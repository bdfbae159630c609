// SPDX-License-Identifier: MIT
/*
 * A range of the ghost over what an earlier image has of it. Nearly all of it is the
 * same, so nearly all is reading, which processors can share: reads of one file do
 * not wait for each other, as writes do.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "copy.h"
#include "io.h"
#include "progress.h"
#include "threads.h"

#define WORTH_A_THREAD 4	/* windows */

/* One range, shared by all threads. */
struct range {
	struct copier *copier;
	uint64_t from, to, length;
	uint64_t next;		/* the first window that nobody has taken */
	uint64_t failed_at;	/* the first window that failed, or length */
	uint64_t kept;
	int error;		/* of that window */
	bool writing;
	pthread_mutex_t lock;	/* of the four above */
};

/* Of several failures the first in the file counts; nobody begins another window. */
static void note(struct range *range, uint64_t at, int error, bool writing)
{
	__atomic_store_n(&range->next, range->length, __ATOMIC_RELAXED);
	pthread_mutex_lock(&range->lock);
	if (at < range->failed_at) {
		range->failed_at = at;
		range->error = error;
		range->writing = writing;
	}
	pthread_mutex_unlock(&range->lock);
}

/* 0, or an error that was noted. */
static int one_window(struct range *range, uint64_t at, unsigned char *window, struct earlier *earlier)
{
	struct copier *copier = range->copier;
	uint64_t left = range->length - at;
	uint64_t wanted = left < WINDOW_BYTES ? left : WINDOW_BYTES;
	struct iovec piece = { window, wanted };
	int64_t got;
	int error;

	if (cancelled(copier->progress)) {
		note(range, at, -ECANCELED, false);
		return -ECANCELED;
	}
	got = read_full(copier->from, window, wanted, range->from + at);
	if (got != (int64_t)wanted) {
		error = got < 0 ? (int)got : -ENODATA;
		note(range, at, error, false);
		return error;
	}
	error = writev_changed(copier->to, &piece, 1, range->to + at, earlier);
	if (error)
		note(range, at, error, true);
	else
		progress_add(copier->progress, wanted);
	return error;
}

static void all_windows(struct range *range, unsigned char *window, struct earlier *earlier)
{
	uint64_t at;

	do
		at = __atomic_fetch_add(&range->next, WINDOW_BYTES, __ATOMIC_RELAXED);
	while (at < range->length && !one_window(range, at, window, earlier));
}

static void help(void *argument)
{
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	AUTO_FREE unsigned char *room = window_alloc(EARLIER_BYTES);
	struct earlier earlier = { room, 0 };
	struct range *range = argument;

	if (!window || !room)
		return;
	all_windows(range, window, &earlier);
	pthread_mutex_lock(&range->lock);
	range->kept += earlier.kept;
	pthread_mutex_unlock(&range->lock);
}

int copy_over(struct copier *copier, uint64_t from, uint64_t to, uint64_t length)
{
	struct range range = { copier, from, to, length, 0, length, 0, 0, false, PTHREAD_MUTEX_INITIALIZER };

	if (length > WINDOW_BYTES)
		on_all_processors(help, &range, length / WINDOW_BYTES, WORTH_A_THREAD);
	/* The caller's memory is there in any case, for what nobody had memory for. */
	all_windows(&range, copier->window, copier->earlier);
	copier->earlier->kept += range.kept;
	copier->used |= GK_COPY_READ_WRITE;
	copier->done = range.failed_at;
	copier->writing = range.writing;
	return range.error;
}

// SPDX-License-Identifier: MIT
/*
 * Copies a range by read and write: all processors take windows of it. The kernel lets only one
 * thread write to a file at a time, but reads run in parallel. Where an earlier image already holds
 * most of the range, nearly all of the work is reading.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "copy/copy-windows.h"
#include "copy/earlier.h"

#define WORTH_A_THREAD 4 /* windows */

/* One range, shared by all threads. */
struct range {
	struct copier *copier;
	uint64_t from, to, length;
	uint64_t next;		/* the first window that no thread has taken */
	uint64_t failed_at;	/* where the first failed window failed, or length */
	struct earlier counted; /* what the threads but the caller's have counted */
	int error;		/* the error of the window that failed first */
	bool writing;		/* that window failed in writing */
	pthread_mutex_t lock;	/* guards failed_at, counted, error and writing; next is atomic */
};

/*
 * Note a failure. When several windows fail, the one that comes first in the file counts. No thread
 * begins another window after a failure.
 */
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

/* Returns 0, or an error that it has noted in range. */
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
		note(range, got < 0 ? at : at + (uint64_t)got, error, false);
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
	struct range *range = argument;
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	AUTO_FREE unsigned char *room = has_earlier(range->copier) ? window_alloc(EARLIER_BYTES) : NULL;
	struct earlier earlier = { .room = room };

	if (!window || (has_earlier(range->copier) && !room))
		return;
	all_windows(range, window, &earlier);
	pthread_mutex_lock(&range->lock);
	earlier_add(&range->counted, &earlier);
	pthread_mutex_unlock(&range->lock);
}

bool has_earlier(const struct copier *copier)
{
	return copier->earlier && copier->earlier->room;
}

bool has_help(uint64_t length)
{
	/* The length is tested first, because glibc reads a file to count the processors. */
	return length / WINDOW_BYTES >= WORTH_A_THREAD && processors() > 1;
}

int copy_windows(struct copier *copier, uint64_t from, uint64_t to, uint64_t length)
{
	struct range range = {
		.copier = copier,
		.from = from,
		.to = to,
		.length = length,
		.failed_at = length,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	struct earlier none = { 0 };
	struct earlier *earlier = copier->earlier ? copier->earlier : &none;

	if (has_help(length))
		on_all_processors(help, &range, length / WINDOW_BYTES, WORTH_A_THREAD);
	/* This thread has the caller's window, so it copies everything if the others get no memory. */
	all_windows(&range, copier->window, earlier);
	earlier_add(earlier, &range.counted);
	copier->used |= GK_COPY_READ_WRITE;
	copier->done += range.failed_at;
	copier->writing = range.writing;
	return range.error;
}

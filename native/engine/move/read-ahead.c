// SPDX-License-Identifier: MIT
#include <signal.h>

#include "base/io.h"
#include "base/threads.h"
#include "move/read-ahead.h"

/* Threads are started only for a range of this many windows or more: starting them costs time, too. */
#define WORTH_WINDOWS 3

static struct window *window_at(struct read_ahead *ahead, uint64_t number)
{
	return &ahead->windows[number % AHEAD];
}

static void read_window(int fd, struct window *window)
{
	window->got = read_full(fd, window->bytes, window->length, window->offset);
	if (window->got == (int64_t)window->length)
		block_entries(window->bytes, window->length, window->entries);
}

/* The next window that nobody has taken, or NULL. The caller holds the lock. */
static struct window *take(struct read_ahead *ahead)
{
	uint64_t offset = ahead->from + ahead->taken * DATA_BYTES;
	struct window *window = window_at(ahead, ahead->taken);

	if (ahead->taken == ahead->sent + AHEAD || offset >= ahead->end)
		return NULL;
	ahead->taken++;
	window->offset = offset;
	window->length = ahead->end - offset < DATA_BYTES ? ahead->end - offset : DATA_BYTES;
	window->is_read = false;
	return window;
}

static void *help(void *argument)
{
	struct read_ahead *ahead = argument;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_mutex_lock(&ahead->lock);
	while (!ahead->is_over) {
		struct window *window = take(ahead);

		if (!window) {
			pthread_cond_wait(&ahead->changed, &ahead->lock);
			continue;
		}
		pthread_mutex_unlock(&ahead->lock);
		read_window(ahead->fd, window);
		pthread_mutex_lock(&ahead->lock);
		window->is_read = true;
		pthread_cond_broadcast(&ahead->changed);
	}
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

void read_ahead_open(struct read_ahead *ahead, int fd, unsigned char *bytes)
{
	ahead->fd = fd;
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->changed, NULL);
	for (uint64_t i = 0; i < AHEAD; i++)
		ahead->windows[i].bytes = bytes + i * DATA_BYTES;
}

void read_ahead_begin(struct read_ahead *ahead, uint64_t from, uint64_t end)
{
	uint32_t wanted = end - from < WORTH_WINDOWS * DATA_BYTES ? 0 : processors() - 1;

	pthread_mutex_lock(&ahead->lock);
	ahead->from = from;
	ahead->end = end;
	ahead->taken = ahead->sent = 0;
	pthread_cond_broadcast(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
	if (wanted > HELPERS)
		wanted = HELPERS;
	while (ahead->helpers_count < wanted &&
	       !pthread_create(&ahead->helpers[ahead->helpers_count], NULL, help, ahead))
		ahead->helpers_count++;
}

/*
 * This runs on the sender's thread. While the oldest window is not read yet, it reads another window
 * that nobody has taken, and it waits only when there is none.
 */
const struct window *read_ahead_next(struct read_ahead *ahead)
{
	struct window *oldest = NULL;

	pthread_mutex_lock(&ahead->lock);
	for (;;) {
		struct window *window;

		oldest = window_at(ahead, ahead->sent);
		if (ahead->taken > ahead->sent && oldest->is_read)
			break;
		window = take(ahead);
		if (!window && ahead->taken == ahead->sent) {
			oldest = NULL;
			break;
		}
		if (!window) {
			pthread_cond_wait(&ahead->changed, &ahead->lock);
			continue;
		}
		pthread_mutex_unlock(&ahead->lock);
		read_window(ahead->fd, window);
		pthread_mutex_lock(&ahead->lock);
		window->is_read = true;
	}
	pthread_mutex_unlock(&ahead->lock);
	return oldest;
}

void read_ahead_done(struct read_ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->sent++;
	pthread_cond_broadcast(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
}

void read_ahead_close(struct read_ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->is_over = true;
	pthread_cond_broadcast(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
	while (ahead->helpers_count)
		pthread_join(ahead->helpers[--ahead->helpers_count], NULL);
	pthread_cond_destroy(&ahead->changed);
	pthread_mutex_destroy(&ahead->lock);
}

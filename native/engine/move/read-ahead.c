// SPDX-License-Identifier: MIT
#include <signal.h>
#include <string.h>

#include "base/io.h"
#include "base/threads.h"
#include "move/read-ahead.h"

/* Threads are started only for a range of this many windows or more: starting them costs time, too. */
#define WORTH_WINDOWS 3

static struct window *window_at(struct read_ahead *ahead, uint64_t number)
{
	return &ahead->windows[number % AHEAD];
}

/* Which pages of a block have other tags than before. */
static unsigned char changed_pages(const unsigned char *now, const unsigned char *before, uint64_t length)
{
	unsigned char changed = 0;

	for (uint64_t page = 0; page * PAGE_BYTES < length; page++)
		if (memcmp(now + page * TAG_BYTES, before + page * TAG_BYTES, TAG_BYTES))
			changed |= (unsigned char)(1 << page);
	return changed;
}

/*
 * Put the block's entry over the one that the table has, and add it to the tags. A block that the receiver
 * has acknowledged keeps its entry if each page has the tag that it had then.
 */
static unsigned char compare_block(const unsigned char *bytes, uint64_t length, const unsigned char *before,
				   unsigned char *entry, unsigned char *tags)
{
	unsigned char bound[BLOCK_TAGS_BYTES], changed;

	memcpy(bound, tags, sizeof(bound));
	tags_bind(bound, entry);
	changed = changed_pages(bound, before, length);
	if (changed || entry_is_zero(entry) || entry_is_unknown(entry))
		block_entry(bytes, length, entry);
	tags_bind(tags, entry);
	return changed;
}

static int compare_window(struct read_ahead *ahead, struct window *window)
{
	unsigned char before[sizeof(window->tags)];
	uint64_t first = window->offset / BLOCK_SIZE, count = blocks_of(window->length);
	int error = table_get(ahead->table, first, count, window->entries);

	if (!error)
		error = tags_get(ahead->tags, first, count, before);
	if (error)
		return error;
	memset(window->tags, 0, sizeof(window->tags)); /* the last block may have fewer pages */
	page_tags(ahead->key, window->bytes, window->length, window->tags);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = i * BLOCK_SIZE, rest = window->length - at;

		window->changed[i] =
			compare_block(window->bytes + at, rest < BLOCK_SIZE ? rest : BLOCK_SIZE,
				      before + i * BLOCK_TAGS_BYTES, window->entries + i * ENTRY_BYTES,
				      window->tags + i * BLOCK_TAGS_BYTES);
	}
	return 0;
}

/* A window is compared while it is still in the processor's cache. */
static void read_window(struct read_ahead *ahead, struct window *window)
{
	window->table_got = 0;
	window->got = read_full(ahead->fd, window->bytes, window->length, window->offset);
	if (window->got != (int64_t)window->length)
		return;
	if (ahead->tags >= 0)
		window->table_got = compare_window(ahead, window);
	else
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
		read_window(ahead, window);
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
		read_window(ahead, window);
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

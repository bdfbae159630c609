// SPDX-License-Identifier: MIT
/* Windows of a ghost that several threads read ahead of the one that sends them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cases.h"
#include "move/read-ahead.h"
#include "tap.h"
#include "wrap.h"

#define WINDOWS 37
#define REST 12345 /* bytes of the last one */

static void fill(unsigned char *window, uint64_t number)
{
	for (uint64_t at = 0; at < DATA_BYTES; at += BLOCK_SIZE)
		memset(window + at, (int)(1 + (number * 7 + at / BLOCK_SIZE) % 255), BLOCK_SIZE);
}

/* Whether a window is the one with this number, as it is in the file. */
static bool is_window(const struct window *window, uint64_t offset, uint64_t length)
{
	static unsigned char bytes[DATA_BYTES], entries[DATA_BLOCKS * ENTRY_BYTES];

	if (!expect(window && window->offset == offset && window->length == length &&
			    window->got == (int64_t)length,
		    "no window of %lu bytes at %lu", (unsigned long)length, (unsigned long)offset))
		return false;
	fill(bytes, offset / DATA_BYTES);
	block_entries(bytes, length, entries);
	return expect(!memcmp(window->bytes, bytes, length) &&
			      !memcmp(window->entries, entries, blocks_of(length) * ENTRY_BYTES),
		      "the window at %lu has other bytes", (unsigned long)offset);
}

static void expect_range(struct read_ahead *ahead, uint64_t from, uint64_t end)
{
	read_ahead_begin(ahead, from, end);
	for (uint64_t at = from; at < end; at += DATA_BYTES) {
		const struct window *window = read_ahead_next(ahead);
		bool is_right;

		/* The sender is sometimes slower than those that read, and sometimes faster. */
		if (at / DATA_BYTES % 5 == 0)
			usleep(20000);
		is_right = is_window(window, at, end - at < DATA_BYTES ? end - at : DATA_BYTES);
		read_ahead_done(ahead);
		if (!is_right)
			return;
	}
	expect(!read_ahead_next(ahead), "a window behind the end");
}

static pthread_t sender_thread;
static unsigned int own_reads;

/* Helpers are slow, and the sender counts what it reads itself. */
static void before_read(int fd)
{
	(void)fd;
	if (pthread_equal(pthread_self(), sender_thread))
		own_reads++;
	else
		usleep(5000);
}

static void expect_shared_work(struct read_ahead *ahead)
{
	sender_thread = pthread_self();
	stand_in.before_read = before_read;
	read_ahead_begin(ahead, 0, 30 * DATA_BYTES);
	while (read_ahead_next(ahead))
		read_ahead_done(ahead);
	stand_in_nowhere();
	expect(own_reads > 5, "the sender has read only %u windows of 30, and waited for the others",
	       own_reads);
}

void read_ahead_cases(const struct place *place)
{
	AUTO_FREE unsigned char *bytes = window_alloc(AHEAD * DATA_BYTES);
	AUTO_FREE struct read_ahead *ahead = calloc(1, sizeof(*ahead));
	static unsigned char window[DATA_BYTES];
	uint64_t size = (WINDOWS - 1) * DATA_BYTES + REST;
	int ghost = ghost_in(place);
	const struct window *last;

	begin(place->name, "a ghost is read ahead of its sender");
	if (!expect(bytes && ahead, "no memory"))
		return;
	for (uint64_t i = 0; i < WINDOWS; i++) {
		fill(window, i);
		expect(pwrite(ghost, window, i + 1 < WINDOWS ? DATA_BYTES : REST, (off_t)(i * DATA_BYTES)) >
			       0,
		       "no room");
	}
	ahead->table = ahead->tags = -1;
	read_ahead_open(ahead, ghost, bytes);
	expect_range(ahead, 0, size);
	expect_range(ahead, 2 * DATA_BYTES, 3 * DATA_BYTES);
	expect_range(ahead, 0, 0);
	expect_range(ahead, 5 * DATA_BYTES, 20 * DATA_BYTES + 5);
	expect_shared_work(ahead);
	/* It has become shorter. */
	read_ahead_begin(ahead, 36 * DATA_BYTES, 39 * DATA_BYTES);
	last = read_ahead_next(ahead);
	expect(last && last->got == REST, "%ld bytes", last ? (long)last->got : -1);
	read_ahead_close(ahead);
	close(ghost);
}

/* SPDX-License-Identifier: MIT */
/*
 * Reads and digests a ghost ahead of the thread that sends it. Other threads help. The sender waits for none
 * of them that has not begun, because on a busy machine it would wait for a processor with each window. While
 * one has begun and is not done, the sender reads a later window itself.
 */
#ifndef GK_READ_AHEAD_H
#define GK_READ_AHEAD_H

#include <pthread.h>

#include "move/sender.h"

#define AHEAD 8	   /* windows */
#define HELPERS 15 /* threads at most */

/* DATA_BYTES of the ghost, or less at the end of the range. */
struct window {
	uint64_t offset, length;
	unsigned char *bytes;
	unsigned char entries[DATA_BLOCKS * ENTRY_BYTES];
	int64_t got; /* what read(2) gave: if that is less than length, there are no entries */
	bool is_read;
};

struct read_ahead {
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t helpers[HELPERS];
	uint32_t helpers_count;
	/* These belong to the holder of the lock. Windows are counted from the begin of the range. */
	uint64_t from, end;
	uint64_t taken; /* somebody reads or has read those below */
	uint64_t sent;
	bool is_over;
	struct window windows[AHEAD];
};

/* bytes has room for AHEAD windows. */
void read_ahead_open(struct read_ahead *ahead, int fd, unsigned char *bytes);

/* From now on windows of [from, end) are read. All windows of the range before were given back. */
void read_ahead_begin(struct read_ahead *ahead, uint64_t from, uint64_t end);

/* The next window, or NULL at the end of the range. */
const struct window *read_ahead_next(struct read_ahead *ahead);

/* Give that window back. */
void read_ahead_done(struct read_ahead *ahead);

/* End all threads. */
void read_ahead_close(struct read_ahead *ahead);

#endif

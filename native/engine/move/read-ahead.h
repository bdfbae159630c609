/* SPDX-License-Identifier: MIT */
/*
 * Reads a ghost and finds what has changed in it, in windows, ahead of the thread that sends it. Other
 * threads help. The sender reads a window itself if no helper has begun it: on a busy machine a helper may
 * have to wait for a processor. While a helper still reads the window that is to be sent next, the sender
 * reads a later one.
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
	int64_t got;   /* bytes read, or a negative errno; what follows is valid only if it equals length */
	int table_got; /* 0 or a negative errno of the ghost's table */
	unsigned char entries[DATA_BLOCKS * ENTRY_BYTES];
	/* The tags of all pages, and which pages of a block have another one than before: a bit for each. */
	unsigned char tags[DATA_BLOCKS * BLOCK_TAGS_BYTES];
	unsigned char changed[DATA_BLOCKS];
	bool is_read;
};

struct read_ahead {
	int fd;
	/*
	 * The ghost's table and tags, or -1 for a small ghost. Blocks whose tags are those that the file
	 * has are not digested: they get the entry that the table has.
	 */
	int table, tags;
	const struct tag_key *key;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t helpers[HELPERS];
	uint32_t helpers_count;
	/* Only the holder of the lock may use the fields below. Windows are counted from `from` on. */
	uint64_t from, end;
	uint64_t taken; /* each window below this number was read, or is being read */
	uint64_t sent;	/* each window below this number was given back */
	bool is_over;
	struct window windows[AHEAD];
};

/* The caller has set the table, the tags and the key. bytes has room for AHEAD windows. */
void read_ahead_open(struct read_ahead *ahead, int fd, unsigned char *bytes);

/* Begin to read the windows of [from, end). All windows of the last range must have been given back. */
void read_ahead_begin(struct read_ahead *ahead, uint64_t from, uint64_t end);

/* Returns the next window, or NULL at the end of the range. */
const struct window *read_ahead_next(struct read_ahead *ahead);

/* Give back the window that read_ahead_next() has returned. */
void read_ahead_done(struct read_ahead *ahead);

/* End all threads. */
void read_ahead_close(struct read_ahead *ahead);

#endif

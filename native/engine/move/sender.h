/* SPDX-License-Identifier: MIT */
/*
 * A sender keeps these between calls: the connection, the blocks that are not acknowledged yet, and
 * the ghosts that the receiver needs again. For each ghost a table says which blocks the receiver
 * has acknowledged; it lies in a file of the folder tables, named by the ghost's key. A large ghost has
 * another file with tags of its pages (base/page-tag.h), which are faster to compute. To each tag the
 * block's entry is added. So a tag that was written with another entry matches nothing, whoever wrote either.
 */
#ifndef GK_SENDER_H
#define GK_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "move/link.h"
#include "move/table.h"

#define DATA_BYTES (UINT64_C(1) << 20)
#define DATA_BLOCKS (DATA_BYTES / BLOCK_SIZE)
/* Blocks without acknowledgement: 64 MiB. */
#define WINDOW_BLOCKS (64 * DATA_BLOCKS)
#define KEY_BYTES 72
#define GHOSTS_MAX 1000000
#define ANSWER_BYTES 65536
/* From this size on a ghost has tags. For a small one, the file would cost more time than it saves. */
#define TAGGED_SIZE DATA_BYTES

struct pending {
	uint32_t sequence; /* the number of the frame that carries the block */
	uint32_t handle;
	uint64_t block;
	bool has_tags;
	unsigned char entry[ENTRY_BYTES], tags[BLOCK_TAGS_BYTES];
};

struct sent_ghost {
	char key[KEY_BYTES];
	uint64_t size;
	bool needed; /* the receiver has asked for blocks of this ghost */
};

struct sender {
	struct link *link;
	uint32_t next;	   /* no frame with this number or a higher one was sent */
	uint64_t bytes;	   /* sent, heads included */
	uint32_t stall_ms; /* see sender_stirred() */
	uint64_t open_until_ms;
	uint64_t acknowledged; /* bytes */
	int tables;	       /* the folder of the tables, or -1 */
	uint32_t first, count;
	struct pending pending[WINDOW_BLOCKS];
	struct sent_ghost *ghosts; /* a handle is an index of this array */
	uint32_t ghosts_count, ghosts_room;
	uint32_t table_of; /* the handle whose table is open */
	int table;	   /* the descriptor of that table, or -1 */
	int tags;	   /* the same for its tags, or -1: a small ghost has none */
	struct tag_key key;
	/* The type of the answer that a call waits for, and the answer. */
	uint32_t awaited;
	bool answered;
	uint32_t answer_length;
	unsigned char answer[ANSWER_BYTES];
	unsigned char frame[GK_FRAME_HEAD_BYTES + GK_FRAME_PAYLOAD_MAX];
};

/*
 * Begin the time for the receiver's next step anew: it has stall_ms to take a frame, to acknowledge, or to
 * answer. Signs of life alone are not enough, because processes may be frozen meanwhile.
 */
void sender_stirred(struct sender *sender);

void sender_close_table(struct sender *sender);

/* Take the frames that have come, then send a frame. sequence may be NULL. */
int sender_send(struct sender *sender, uint32_t type, struct iovec *pieces, int count, uint32_t *sequence,
		struct gk_report *report);

/* Take the frames of the receiver that have come. With wait, wait for the first one. */
int sender_receive(struct sender *sender, bool wait, struct gk_report *report);

/* Note a new ghost. Returns its handle, or a negative errno. */
int64_t sender_add(struct sender *sender, const char *key, uint64_t size, struct gk_report *report);

/* Open the table of a ghost as sender->table, and its tags as sender->tags. */
int sender_table(struct sender *sender, uint32_t handle, struct gk_report *report);

/* Wait for acknowledgements until there is room in pending for count more blocks. */
int sender_make_room(struct sender *sender, uint32_t count, struct gk_report *report);

/*
 * Note that a frame with these blocks was sent. sender_make_room() has made room for them. tags may be NULL:
 * then they are not noted.
 */
void sender_note(struct sender *sender, uint32_t sequence, uint32_t handle, uint64_t block, uint32_t count,
		 const unsigned char *entries, const unsigned char *tags);

#endif

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/report.h"
#include "move/sender.h"
#include "move/stream.h"

static int table_failed(struct gk_report *report, int error, const char *what, const char *key)
{
	return fail(report, error, 0, "cannot %s the table %s", what, key);
}

void sender_stirred(struct sender *sender)
{
	if (sender->stall_ms)
		link_until(sender->link, now_ms() + sender->stall_ms);
}

/* Open a file of the folder tables. Returns a descriptor, or a negative errno. */
static int open_table(const struct sender *sender, const char *key, const char *kind)
{
	char name[KEY_BYTES + 16];
	struct stat about;
	int fd, error = 0;

	(void)snprintf(name, sizeof(name), "%s.%s", key, kind);
	fd = openat(sender->tables, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &about) < 0)
		error = -errno;
	else if (!S_ISREG(about.st_mode))
		error = -EINVAL;
	if (error)
		close(fd);
	return error ? error : fd;
}

void sender_close_table(struct sender *sender)
{
	if (sender->table >= 0)
		close(sender->table);
	if (sender->tags >= 0)
		close(sender->tags);
	sender->table = sender->tags = -1;
}

/* Only one table is open at a time, because there may be thousands of ghosts. */
int sender_table(struct sender *sender, uint32_t handle, struct gk_report *report)
{
	const struct sent_ghost *ghost = &sender->ghosts[handle];
	int fd;

	if (sender->table >= 0 && sender->table_of == handle)
		return 0;
	sender_close_table(sender);
	if (ghost->size >= TAGGED_SIZE) {
		fd = open_table(sender, ghost->key, "tags");
		if (fd < 0)
			return table_failed(report, fd, "open the tags beside", ghost->key);
		sender->tags = fd;
	}
	fd = open_table(sender, ghost->key, "table");
	if (fd < 0)
		return table_failed(report, fd, "open", ghost->key);
	sender->table = fd;
	sender->table_of = handle;
	return 0;
}

int64_t sender_add(struct sender *sender, const char *key, uint64_t size, struct gk_report *report)
{
	struct sent_ghost *ghost;

	if (strlen(key) >= KEY_BYTES || strchr(key, '/'))
		return fail(report, -EINVAL, 0, "a key is wrong");
	if (sender->ghosts_count == GHOSTS_MAX)
		return fail(report, -E2BIG, 0, "there are more than %d ghosts", GHOSTS_MAX);
	if (sender->ghosts_count == sender->ghosts_room) {
		uint32_t room = sender->ghosts_room ? 2 * sender->ghosts_room : 64;
		void *more = realloc(sender->ghosts, room * sizeof(*sender->ghosts));

		if (!more)
			return fail(report, -ENOMEM, 0, "cannot note a ghost");
		sender->ghosts = more;
		sender->ghosts_room = room;
	}
	ghost = &sender->ghosts[sender->ghosts_count];
	memset(ghost, 0, sizeof(*ghost));
	memcpy(ghost->key, key, strlen(key));
	ghost->size = size;
	return sender->ghosts_count++;
}

void sender_note(struct sender *sender, uint32_t sequence, uint32_t handle, uint64_t block, uint32_t count,
		 const unsigned char *entries, const unsigned char *tags)
{
	for (uint32_t i = 0; i < count; i++) {
		struct pending *one = &sender->pending[(sender->first + sender->count++) % WINDOW_BLOCKS];

		one->sequence = sequence;
		one->handle = handle;
		one->block = block + i;
		one->has_tags = tags != NULL;
		memcpy(one->entry, entries + (size_t)i * ENTRY_BYTES, ENTRY_BYTES);
		if (tags)
			memcpy(one->tags, tags + (size_t)i * BLOCK_TAGS_BYTES, BLOCK_TAGS_BYTES);
	}
}

int sender_make_room(struct sender *sender, uint32_t count, struct gk_report *report)
{
	int error = 0;

	sender_stirred(sender);
	while (!error && sender->count + count > WINDOW_BLOCKS)
		error = sender_receive(sender, true, report);
	return error;
}

/*
 * Take an acknowledgement: the blocks of all frames up to this one are on the receiver's disk. The
 * entries of blocks in a row are written at once, and so are their tags.
 */
static int take_ack(struct sender *sender, uint32_t sequence, struct gk_report *report)
{
	unsigned char entries[DATA_BLOCKS * ENTRY_BYTES], tags[DATA_BLOCKS * BLOCK_TAGS_BYTES];

	if (sequence >= sender->next)
		return fail(report, -EBADMSG, 0, "the receiver acknowledged a frame that was not sent");
	while (sender->count > 0 && sender->pending[sender->first].sequence <= sequence) {
		struct pending start = sender->pending[sender->first];
		bool has_tags = true;
		uint32_t run = 0;
		int error;

		while (run < DATA_BLOCKS && run < sender->count) {
			const struct pending *one = &sender->pending[(sender->first + run) % WINDOW_BLOCKS];

			if (one->sequence > sequence || one->handle != start.handle ||
			    one->block != start.block + run)
				break;
			has_tags &= one->has_tags;
			memcpy(tags + (size_t)run * BLOCK_TAGS_BYTES, one->tags, BLOCK_TAGS_BYTES);
			memcpy(entries + (size_t)run++ * ENTRY_BYTES, one->entry, ENTRY_BYTES);
		}
		error = sender_table(sender, start.handle, report);
		if (error)
			return error;
		if (sender->tags >= 0 && has_tags)
			error = tags_put(sender->tags, start.block, run, tags);
		if (!error)
			error = table_put(sender->table, start.block, run, entries);
		if (error)
			return table_failed(report, error, "write", sender->ghosts[start.handle].key);
		sender->first = (sender->first + run) % WINDOW_BLOCKS;
		sender->count -= run;
		sender->acknowledged += run * BLOCK_SIZE;
		sender_stirred(sender);
	}
	return 0;
}

/*
 * The receiver asks for blocks of a `patch`, too, and acknowledges that frame later. The acknowledgement must
 * not say that it has them.
 */
static void forget_pending(struct sender *sender, uint64_t handle, uint64_t first, uint64_t count)
{
	for (uint32_t i = 0; i < sender->count; i++) {
		struct pending *one = &sender->pending[(sender->first + i) % WINDOW_BLOCKS];

		if (one->handle == handle && one->block >= first && one->block - first < count)
			memset(one->entry, 0xff, ENTRY_BYTES);
	}
}

static int take_need(struct sender *sender, const unsigned char *payload, struct gk_report *report)
{
	uint64_t handle = get_number(payload, 8), offset = get_number(payload + 8, 8);
	uint64_t length = get_number(payload + 16, 8);
	int error;

	if (handle >= sender->ghosts_count || offset % BLOCK_SIZE != 0 || length == 0 ||
	    length > GK_MOVE_SAME_BLOCKS * BLOCK_SIZE || offset >= sender->ghosts[handle].size ||
	    length > sender->ghosts[handle].size - offset)
		return fail(report, -EBADMSG, offset, "the receiver asked for a range that no ghost has");
	sender->ghosts[handle].needed = true;
	forget_pending(sender, handle, offset / BLOCK_SIZE, blocks_of(length));
	error = sender_table(sender, (uint32_t)handle, report);
	if (error)
		return error;
	error = table_set_unknown(sender->table, offset / BLOCK_SIZE, blocks_of(length));
	return error ? table_failed(report, error, "write", sender->ghosts[handle].key) : 0;
}

static int take(struct sender *sender, const struct frame *frame, struct gk_report *report)
{
	if (frame->type == FRAME_ACK && frame->length == 8)
		return take_ack(sender, (uint32_t)get_number(frame->payload, 4), report);
	if (frame->type == FRAME_NEED && frame->length == 24)
		return take_need(sender, frame->payload, report);
	if (frame->length > ANSWER_BYTES)
		return fail(report, -EBADMSG, 0, "the receiver's answer has %u bytes", frame->length);
	if (frame->type != FRAME_FAIL && (frame->type != sender->awaited || sender->answered))
		return fail(report, -EBADMSG, 0,
			    "the receiver sent an answer of type %u that nobody waits for", frame->type);
	memcpy(sender->answer, frame->payload, frame->length);
	sender->answer_length = frame->length;
	sender->answered = true;
	if (frame->type == FRAME_COMMITTED && sender->count > 0)
		return fail(report, -EBADMSG, 0,
			    "the receiver says that all is there, and has not acknowledged %u blocks",
			    sender->count);
	return frame->type == FRAME_FAIL ? fail(report, -ECONNREFUSED, 0, "the receiver has given up") : 0;
}

int sender_receive(struct sender *sender, bool wait, struct gk_report *report)
{
	uint32_t wait_ms = wait ? UINT32_MAX : 0;
	struct frame frame;
	int error;

	for (;;) {
		error = link_receive(sender->link, wait_ms, sender->frame, &frame, report);
		if (error == -EAGAIN) {
			memset(report->message, 0, sizeof(report->message));
			return 0;
		}
		/*
		 * The receiver is gone. Callers of the library get -EPIPE for that, because -ENODATA
		 * has another meaning for them.
		 */
		if (error == -ENODATA)
			return fail(report, -EPIPE, 0, "the receiver has ended");
		if (!error)
			error = take(sender, &frame, report);
		if (error)
			return error;
		wait_ms = 0;
	}
}

int sender_send(struct sender *sender, uint32_t type, struct iovec *pieces, int count, uint32_t *sequence,
		struct gk_report *report)
{
	uint32_t number;
	int said, error;

	sender_stirred(sender);
	error = sender_receive(sender, false, report);
	if (error)
		return error;
	sender->bytes += GK_FRAME_HEAD_BYTES;
	for (int i = 0; i < count; i++)
		sender->bytes += pieces[i].iov_len;
	error = link_send(sender->link, type, pieces, count, &number, report);
	sender->next = number + 1;
	if (sequence)
		*sequence = number;
	if (!error)
		return 0;
	/* The receiver may have said why before it closed the connection. */
	said = sender_receive(sender, false, report);
	return said ? said : fail(report, error, 0, "the receiver takes nothing any more");
}

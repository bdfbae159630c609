// SPDX-License-Identifier: MIT
/* The sender's calls that are about the connection, or about files that are no ghosts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/report.h"
#include "blake3/blake3.h"
#include "move/sender.h"
#include "move/stream.h"

#define GREETING "ghostkeep-move2\n"
#define BEAT_MS 1000

static struct sender *from_handle(uint64_t handle)
{
	return (struct sender *)(uintptr_t)handle;
}

GK_PUBLIC int gk_send_close(uint64_t handle, struct gk_report *report)
{
	struct sender *sender = from_handle(handle);

	memset(report, 0, sizeof(*report));
	report->data_bytes = sender->acknowledged;
	(void)gk_link_close((uint64_t)(uintptr_t)sender->link, report);
	sender_close_table(sender);
	if (sender->tables >= 0)
		close(sender->tables);
	free(sender->ghosts);
	free(sender);
	return 0;
}

static int make_nonblocking(int fd, struct gk_report *report)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fail(report, -errno, 0, "cannot use descriptor %d", fd);
	return 0;
}

/*
 * Exchange greetings. Instead of a greeting, words of a shell or of ssh may come. The message shows
 * them, with a space in place of each character that a terminal could act on.
 */
static int greet(uint64_t link, struct gk_report *report)
{
	char theirs[GK_GREETING_BYTES + 1] = "";
	int error = gk_link_greet(link, GREETING, theirs, report);

	/* If the other side takes nothing, it may have said why before. So read what it has sent. */
	if (error == -EPIPE)
		error = gk_link_greet(link, NULL, theirs, report);
	if (error == -ENODATA)
		return fail(report, -EPIPE, 0, "the other side ended before it said what it is");
	if (error || memcmp(theirs, GREETING, GK_GREETING_BYTES) == 0)
		return error;
	for (int i = 0; i < GK_GREETING_BYTES; i++)
		if (theirs[i] < ' ' || theirs[i] > '~')
			theirs[i] = ' ';
	return fail(report, -EPROTO, 0,
		    "the other side began with \"%s\" and not as a `ghostkeep receive` of this version does",
		    theirs);
}

GK_PUBLIC int gk_send_open(int to, int from, uint32_t patience_ms, uint32_t stall_ms, uint32_t open_ms,
			   uint64_t *handle, struct gk_report *report)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	struct gk_report ignored;
	uint64_t link = 0;
	int error;

	memset(report, 0, sizeof(*report));
	if (!sender)
		return fail(report, -ENOMEM, 0, "cannot send");
	sender->tables = sender->table = sender->tags = -1;
	sender->stall_ms = stall_ms;
	sender->open_until_ms = now_ms() + open_ms;
	sender->awaited = FRAME_WELCOME;
	error = make_nonblocking(to, report);
	if (!error)
		error = make_nonblocking(from, report);
	if (!error)
		error = gk_link_open(from, to, patience_ms, &link, report);
	if (error) {
		free(sender);
		return error;
	}
	sender->link = (struct link *)(uintptr_t)link;
	*handle = (uint64_t)(uintptr_t)sender;
	link_until(sender->link, sender->open_until_ms);
	error = greet(link, report);
	if (!error)
		error = gk_link_beat(link, BEAT_MS, report);
	link_until(sender->link, UINT64_MAX);
	if (error)
		(void)gk_send_close(*handle, &ignored);
	return error;
}

GK_PUBLIC int gk_send_tables(uint64_t handle, int folder, struct gk_report *report)
{
	struct sender *sender = from_handle(handle);
	int error;

	memset(report, 0, sizeof(*report));
	sender->tables = fcntl(folder, F_DUPFD_CLOEXEC, 3);
	error = sender->tables < 0 ? -errno : tag_key_open(sender->tables, "key", &sender->key);
	return error ? fail(report, error, 0, "cannot use the folder of the tables") : 0;
}

GK_PUBLIC int gk_send_patiently(uint64_t handle, uint32_t stall_ms, struct gk_report *report)
{
	struct sender *sender = from_handle(handle);

	memset(report, 0, sizeof(*report));
	sender->stall_ms = stall_ms;
	link_until(sender->link, UINT64_MAX); /* the next step sets a new deadline */
	return 0;
}

GK_PUBLIC int gk_send_message(uint64_t handle, uint32_t type, const void *payload, uint64_t length,
			      uint32_t awaited, struct gk_report *report)
{
	struct sender *sender = from_handle(handle);
	struct iovec piece = { (void *)(uintptr_t)payload, length };

	memset(report, 0, sizeof(*report));
	if (awaited) {
		sender->awaited = awaited;
		sender->answered = false;
	}
	return sender_send(sender, type, &piece, 1, NULL, report);
}

GK_PUBLIC int gk_send_await(uint64_t handle, void *answer, uint32_t *length, struct gk_report *report)
{
	struct sender *sender = from_handle(handle);
	uint32_t room = *length;
	int error = 0;

	memset(report, 0, sizeof(*report));
	sender_stirred(sender);
	if (sender->awaited == FRAME_WELCOME)
		link_until(sender->link, sender->open_until_ms);
	while (!error && !sender->answered)
		error = sender_receive(sender, true, report);
	link_until(sender->link, UINT64_MAX);
	*length = 0;
	if (error && error != -ECONNREFUSED)
		return error;
	if (sender->answer_length > room)
		return fail(report, -EMSGSIZE, 0, "the receiver's answer has %u bytes",
			    sender->answer_length);
	memcpy(answer, sender->answer, sender->answer_length);
	*length = sender->answer_length;
	return error;
}

GK_PUBLIC int gk_send_failure(uint64_t handle, void *answer, uint32_t *length, struct gk_report *report)
{
	struct sender *sender = from_handle(handle);

	memset(report, 0, sizeof(*report));
	if (!sender->answered || sender->answer_length > *length)
		return fail(report, -ENODATA, 0, "the receiver has not said why it gave up");
	memcpy(answer, sender->answer, sender->answer_length);
	*length = sender->answer_length;
	return 0;
}

GK_PUBLIC int gk_send_needed(uint64_t handle, uint32_t from, uint32_t *needed, struct gk_report *report)
{
	struct sender *sender = from_handle(handle);

	memset(report, 0, sizeof(*report));
	for (*needed = from; *needed < sender->ghosts_count; (*needed)++)
		if (sender->ghosts[*needed].needed)
			return 0;
	*needed = UINT32_MAX;
	return 0;
}

static int send_bytes(struct sender *sender, int fd, uint64_t size, unsigned char *window,
		      blake3_hasher *hasher, struct gk_progress *progress, struct gk_report *report)
{
	for (uint64_t at = 0; at < size;) {
		uint64_t some = size - at < DATA_BYTES ? size - at : DATA_BYTES;
		unsigned char place[8];
		struct iovec pieces[2] = { { place, sizeof(place) }, { window, some } };
		int64_t got = read_full(fd, window, some, at);
		int error;

		if (got >= 0 && (uint64_t)got < some)
			got = -ESTALE;
		if (got < 0)
			return fail(report, (int)got, at, "cannot read the file at offset %llu",
				    (unsigned long long)at);
		blake3_hasher_update(hasher, window, some);
		put_number(place, at, 8);
		error = sender_send(sender, FRAME_FILE_DATA, pieces, 2, NULL, report);
		if (error)
			return error;
		at += some;
		progress_add(progress, some);
	}
	return 0;
}

GK_PUBLIC int gk_send_file(uint64_t handle, int fd, uint64_t size, struct gk_progress *progress,
			   struct gk_report *report)
{
	AUTO_FREE unsigned char *window = window_alloc(DATA_BYTES);
	struct sender *sender = from_handle(handle);
	unsigned char sum[BLAKE3_OUT_LEN];
	struct iovec piece = { sum, sizeof(sum) };
	uint64_t before = sender->bytes;
	blake3_hasher hasher;
	int error;

	memset(report, 0, sizeof(*report));
	report->size = size;
	if (!window)
		return fail(report, -ENOMEM, 0, "cannot send a file");
	blake3_hasher_init(&hasher);
	error = send_bytes(sender, fd, size, window, &hasher, progress, report);
	blake3_hasher_finalize(&hasher, sum, sizeof(sum));
	if (!error)
		error = sender_send(sender, FRAME_FILE_END, &piece, 1, NULL, report);
	report->image_bytes = sender->bytes - before;
	return error;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc32c.h"
#include "base/report.h"
#include "move/link.h"
#include "move/stream.h"

#define SUMMED_HEAD_BYTES 12 /* the sum covers the head up to here */
#define PIPE_BYTES (1 << 20)

struct link {
	int in, out;
	uint32_t dead_ms, beat_ms;
	uint64_t until_ms; /* see link_until() */
	uint32_t received; /* sequence of the next frame from the other side */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	pthread_t beater;
	bool beats, end;
	/* Only the holder of the lock may use the fields below. */
	uint32_t sent; /* sequence of our next frame */
	int broken;    /* 0, or the errno of a failed send: half a frame may be out, so none may follow */
	uint64_t sent_at_ms;
};

static uint32_t sum_of(const unsigned char *head, const struct iovec *pieces, int count)
{
	struct crc32c crc;

	crc32c_start(&crc, true);
	crc32c_add(&crc, head, SUMMED_HEAD_BYTES);
	for (int i = 0; i < count; i++)
		crc32c_add(&crc, pieces[i].iov_base, pieces[i].iov_len);
	return crc32c_end(&crc);
}

/* The caller holds the lock. */
static int send_locked(struct link *link, uint32_t type, const struct iovec *pieces, int count,
		       uint64_t until_ms)
{
	unsigned char head[GK_FRAME_HEAD_BYTES];
	struct iovec all[1 + LINK_PIECES] = { { head, sizeof(head) } };
	uint64_t length = 0;

	for (int i = 0; i < count; i++) {
		all[1 + i] = pieces[i];
		length += pieces[i].iov_len;
	}
	put_number(head, type, 4);
	put_number(head + 4, length, 4);
	put_number(head + 8, link->sent, 4);
	put_number(head + 12, sum_of(head, pieces, count), 4);
	if (!link->broken)
		link->broken = write_stream(link->out, all, 1 + count, link->dead_ms, until_ms);
	link->sent++;
	link->sent_at_ms = now_ms();
	return link->broken;
}

void link_until(struct link *link, uint64_t until_ms)
{
	link->until_ms = until_ms;
}

int link_send(struct link *link, uint32_t type, struct iovec *pieces, int count, uint32_t *sequence,
	      struct gk_report *report)
{
	uint64_t length = 0;
	int error;

	for (int i = 0; i < count; i++)
		length += pieces[i].iov_len;
	if (count > LINK_PIECES || length > GK_FRAME_PAYLOAD_MAX || link->out < 0)
		return fail(report, -EINVAL, 0, "cannot send a frame of %llu bytes",
			    (unsigned long long)length);
	pthread_mutex_lock(&link->lock);
	*sequence = link->sent;
	error = send_locked(link, type, pieces, count, link->until_ms);
	pthread_mutex_unlock(&link->lock);
	return error ? fail(report, error, 0, "cannot send to the other side") : 0;
}

/* Receive the payload of a frame whose head is in buffer, and check both. */
static int receive_rest(struct link *link, unsigned char *buffer, struct frame *frame,
			struct gk_report *report)
{
	struct iovec piece = { buffer + GK_FRAME_HEAD_BYTES, 0 };
	int64_t got;

	frame->type = (uint32_t)get_number(buffer, 4);
	frame->length = (uint32_t)get_number(buffer + 4, 4);
	frame->sequence = (uint32_t)get_number(buffer + 8, 4);
	frame->payload = piece.iov_base;
	if (frame->length > GK_FRAME_PAYLOAD_MAX)
		return fail(report, -EBADMSG, 0, "a frame says that it has %u bytes", frame->length);
	got = read_stream(link->in, piece.iov_base, frame->length, link->dead_ms, link->dead_ms,
			  link->until_ms);
	if (got == -EBADMSG)
		return fail(report, -EBADMSG, 0, "the rest of a frame of %u bytes does not come",
			    frame->length);
	if (got < 0)
		return fail(report, (int)got, 0, "cannot receive the payload of a frame");
	if ((uint64_t)got < frame->length)
		return fail(report, -ECONNRESET, 0, "the other side ended inside a frame");
	piece.iov_len = frame->length;
	if (sum_of(buffer, &piece, 1) != get_number(buffer + 12, 4))
		return fail(report, -EBADMSG, 0, "a frame of type %u has a wrong sum", frame->type);
	if (frame->sequence != link->received)
		return fail(report, -EBADMSG, 0, "a frame has number %u where %u was to come",
			    frame->sequence, link->received);
	link->received++;
	return 0;
}

int link_receive(struct link *link, uint32_t wait_ms, void *buffer, struct frame *frame,
		 struct gk_report *report)
{
	bool until_dead = wait_ms == UINT32_MAX;
	int error;

	do {
		int64_t got =
			read_stream(link->in, buffer, GK_FRAME_HEAD_BYTES,
				    until_dead ? link->dead_ms : wait_ms, link->dead_ms, link->until_ms);

		if (got == -ETIMEDOUT && !until_dead && now_ms() <= link->until_ms)
			return fail(report, -EAGAIN, 0, "no frame has come yet");
		if (got == 0)
			return fail(report, -ENODATA, 0, "the other side has hung up");
		if (got < 0)
			return fail(report, (int)got, 0, "cannot receive from the other side");
		if (got < GK_FRAME_HEAD_BYTES)
			return fail(report, -ECONNRESET, 0, "the other side ended inside a frame");
		error = receive_rest(link, buffer, frame, report);
	} while (!error && frame->type == FRAME_ALIVE && frame->length == 0);
	return error;
}

/* The thread that sends `alive`. It ends at gk_link_close(), or when nothing can be sent any more. */
static void *beat(void *argument)
{
	struct link *link = argument;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_mutex_lock(&link->lock);
	while (!link->end && !link->broken) {
		uint64_t next = link->sent_at_ms + link->beat_ms;
		struct timespec when = { (time_t)(next / 1000), (long)(next % 1000) * 1000000 };

		if (pthread_cond_timedwait(&link->ended, &link->lock, &when) != ETIMEDOUT || link->end)
			continue;
		if (now_ms() >= link->sent_at_ms + link->beat_ms)
			send_locked(link, FRAME_ALIVE, NULL, 0, UINT64_MAX);
	}
	pthread_mutex_unlock(&link->lock);
	return NULL;
}

GK_PUBLIC int gk_link_open(int in_fd, int out_fd, uint32_t dead_ms, uint64_t *handle,
			   struct gk_report *report)
{
	struct link *link = calloc(1, sizeof(*link));
	pthread_condattr_t clock;

	memset(report, 0, sizeof(*report));
	if (!link)
		return fail(report, -ENOMEM, 0, "cannot open a connection");
	*link = (struct link){ .in = in_fd, .out = out_fd, .dead_ms = dead_ms, .until_ms = UINT64_MAX };
	pthread_mutex_init(&link->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&link->ended, &clock);
	pthread_condattr_destroy(&clock);
	/* A larger pipe means fewer switches between the two sides. On a socket this fails, and need not work. */
	(void)fcntl(in_fd, F_SETPIPE_SZ, PIPE_BYTES);
	if (out_fd >= 0)
		(void)fcntl(out_fd, F_SETPIPE_SZ, PIPE_BYTES);
	*handle = (uint64_t)(uintptr_t)link;
	return 0;
}

GK_PUBLIC int gk_link_greet(uint64_t handle, const void *ours, void *theirs, struct gk_report *report)
{
	struct link *link = (struct link *)(uintptr_t)handle;
	struct iovec piece = { (void *)(uintptr_t)ours, GK_GREETING_BYTES };
	int64_t got;
	int error = ours ? write_stream(link->out, &piece, 1, link->dead_ms, link->until_ms) : 0;

	memset(report, 0, sizeof(*report));
	if (error)
		return fail(report, error, 0, "cannot send to the other side");
	if (!theirs)
		return 0;
	got = read_stream(link->in, theirs, GK_GREETING_BYTES, link->dead_ms, link->dead_ms, link->until_ms);
	if (got < 0)
		return fail(report, (int)got, 0, "cannot receive from the other side");
	if (got < GK_GREETING_BYTES)
		return fail(report, -ENODATA, 0, "the other side ended before it said what it is");
	return 0;
}

GK_PUBLIC int gk_link_beat(uint64_t handle, uint32_t every_ms, struct gk_report *report)
{
	struct link *link = (struct link *)(uintptr_t)handle;
	int error;

	memset(report, 0, sizeof(*report));
	link->beat_ms = every_ms;
	link->sent_at_ms = now_ms();
	error = pthread_create(&link->beater, NULL, beat, link);
	if (error)
		return fail(report, -error, 0, "cannot start a thread for the connection");
	link->beats = true;
	return 0;
}

GK_PUBLIC int gk_link_receive(uint64_t handle, uint32_t wait_ms, void *buffer, struct gk_report *report)
{
	struct frame frame;

	memset(report, 0, sizeof(*report));
	return link_receive((struct link *)(uintptr_t)handle, wait_ms, buffer, &frame, report);
}

GK_PUBLIC int gk_link_send(uint64_t handle, uint32_t type, const void *payload, uint32_t length,
			   uint32_t *sequence, struct gk_report *report)
{
	struct iovec piece = { (void *)(uintptr_t)payload, length };

	memset(report, 0, sizeof(*report));
	return link_send((struct link *)(uintptr_t)handle, type, &piece, 1, sequence, report);
}

GK_PUBLIC int gk_link_close(uint64_t handle, struct gk_report *report)
{
	struct link *link = (struct link *)(uintptr_t)handle;

	memset(report, 0, sizeof(*report));
	pthread_mutex_lock(&link->lock);
	link->end = true;
	pthread_cond_broadcast(&link->ended);
	pthread_mutex_unlock(&link->lock);
	if (link->beats)
		pthread_join(link->beater, NULL);
	pthread_cond_destroy(&link->ended);
	pthread_mutex_destroy(&link->lock);
	free(link);
	return 0;
}

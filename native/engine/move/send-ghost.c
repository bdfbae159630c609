// SPDX-License-Identifier: MIT
/* Sends one ghost, from `ghost` to `end`. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/report.h"
#include "magics.h"
#include "map/walk.h"
#include "move/send-windows.h"

static uint64_t block_down(uint64_t offset)
{
	return offset - offset % BLOCK_SIZE;
}

static uint64_t block_up(uint64_t offset)
{
	return block_down(offset + BLOCK_SIZE - 1);
}

/*
 * Send an extent, and the hole in front of it. A block that has any data is read as a whole. A block
 * that is unwritten only in part, and a hole for the rest, goes as zero.
 */
static int send_extent(struct body *body, const struct gk_extent *extent)
{
	uint64_t end = extent->offset + extent->length, stop;
	int error;

	if (extent->kind != GK_EXTENT_DATA) {
		body->report->unwritten_bytes += extent->length;
		error = blocks_hold(body, FRAME_ZERO, block_up(extent->offset), NULL);
		stop = end >= body->size ? body->size : block_down(end);
		return error ? error : blocks_hold(body, FRAME_UNWRITTEN, stop, NULL);
	}
	body->report->chunks++;
	error = blocks_hold(body, FRAME_ZERO, block_down(extent->offset), NULL);
	if (!error && body->done < end)
		error = windows_send(body, block_up(end));
	return error;
}

/*
 * Whether a file on tmpfs has no holes, by its number of blocks. Looking for its end of data would take a
 * tenth of the time of reading it, and only one thread could do it. If the number is wrong, zeroes are read
 * and sent as zero.
 */
static bool is_dense(int fd, uint64_t size)
{
	struct statfs file_system;
	struct stat about;

	return fstatfs(fd, &file_system) == 0 && file_system.f_type == MAGIC_TMPFS &&
	       fstat(fd, &about) == 0 && (uint64_t)about.st_blocks >= size / 512;
}

static int send_dense(struct body *body)
{
	int error = windows_send(body, body->size);

	body->report->engine = GK_ENGINE_READ;
	body->report->chunks = 1;
	return error ? error : blocks_flush(body);
}

static int send_body(struct body *body, uint32_t engine)
{
	struct gk_report *report = body->report;
	struct gk_extent extent;
	struct walk walk;
	int got, error = walk_open(&walk, body->ahead.fd, engine, body->size, 0);

	if (error)
		return fail(report, error, 0, "cannot look for data in the ghost");
	walk.progress = body->progress;
	while (!error && (got = walk_next(&walk, &extent)) != 0)
		error = got > 0 ? send_extent(body, &extent) :
				  fail(report, got, walk.pos, "cannot find data in the ghost at offset %llu",
				       (unsigned long long)walk.pos);
	if (!error)
		error = blocks_hold(body, FRAME_ZERO, body->size, NULL);
	if (!error)
		error = blocks_flush(body);
	report->engine = walk.engine;
	report->fallbacks = walk.fallbacks;
	if (!error)
		memcpy(report->message, walk.why, sizeof(walk.why));
	walk_close(&walk);
	return error;
}

static int check_size(int fd, uint64_t size, struct gk_report *report)
{
	struct stat about;

	if (fstat(fd, &about) < 0)
		return fail(report, -errno, 0, "cannot look at the ghost");
	if ((uint64_t)about.st_size >= size)
		return 0;
	return fail(report, -ESTALE, (uint64_t)about.st_size,
		    "the ghost ends at offset %lld, before its size of %llu", (long long)about.st_size,
		    (unsigned long long)size);
}

static int send_edge(struct body *body, uint32_t type, const char *key)
{
	unsigned char place[16];
	struct iovec pieces[2] = { { place, sizeof(place) }, { (void *)(uintptr_t)key, strlen(key) } };

	put_place(place, body->handle, body->size);
	return sender_send(body->sender, type, pieces, 2, NULL, body->report);
}

/* Whether nothing more can be sent: the connection is broken, or the caller has cancelled. */
static bool is_of_connection(int error)
{
	return error == -EPIPE || error == -ECONNRESET || error == -ETIMEDOUT || error == -EBADMSG ||
	       error == -ECONNREFUSED || error == -ECANCELED;
}

/*
 * Send the rest of a ghost that ended too early, or cannot be read, as zero. So the stream stays whole,
 * and the caller can send the ghost again or leave it out of the commit.
 */
static void send_rest_as_zero(struct body *body)
{
	struct gk_report ignored;

	memset(&ignored, 0, sizeof(ignored));
	body->report = &ignored;
	if (!blocks_hold(body, FRAME_ZERO, body->size, NULL) && !blocks_flush(body))
		(void)send_edge(body, FRAME_END, "");
}

/* The threads that read ahead get descriptors of their own: the sender may open another ghost's table. */
static int open_tags(struct body *body, int *table, int *tags)
{
	struct sender *sender = body->sender;
	int error;

	if (body->size < TAGGED_SIZE)
		return 0;
	error = sender_table(sender, body->handle, body->report);
	if (error)
		return error;
	*table = fcntl(sender->table, F_DUPFD_CLOEXEC, 3);
	*tags = *table < 0 ? -1 : fcntl(sender->tags, F_DUPFD_CLOEXEC, 3);
	return *tags < 0 ? fail(body->report, -errno, 0, "cannot use the table of a ghost") : 0;
}

GK_PUBLIC int gk_send_ghost(uint64_t sender, int ghost_fd, uint32_t engine, uint64_t size, const char *key,
			    struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE unsigned char *windows = window_alloc(AHEAD * DATA_BYTES);
	AUTO_FREE struct body *body = calloc(1, sizeof(*body));
	int64_t handle;
	uint64_t before;
	int error;

	memset(report, 0, sizeof(*report));
	report->size = size;
	if (!windows || !body)
		return fail(report, -ENOMEM, 0, "cannot send a ghost");
	body->sender = (struct sender *)(uintptr_t)sender;
	body->size = size;
	body->progress = progress;
	body->report = report;
	before = body->sender->bytes;
	handle = sender_add(body->sender, key, size, report);
	if (handle < 0)
		return (int)handle;
	body->handle = (uint32_t)handle;
	body->ahead.table = body->ahead.tags = -1;
	body->ahead.key = &body->sender->key;
	error = open_tags(body, &body->ahead.table, &body->ahead.tags);
	if (error)
		goto out;
	read_ahead_open(&body->ahead, ghost_fd, windows);
	error = send_edge(body, FRAME_GHOST, key);
	if (!error)
		error = size >= TAGGED_SIZE && engine != GK_ENGINE_FIEMAP && is_dense(ghost_fd, size) ?
				send_dense(body) :
				send_body(body, engine);
	if (!error)
		error = check_size(ghost_fd, size, report);
	if (!error)
		error = send_edge(body, FRAME_END, "");
	else if (!is_of_connection(error))
		send_rest_as_zero(body);
	read_ahead_close(&body->ahead);
	report->image_bytes = body->sender->bytes - before;
out:
	if (body->ahead.table >= 0)
		close(body->ahead.table);
	if (body->ahead.tags >= 0)
		close(body->ahead.tags);
	return error;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/progress.h"
#include "base/report.h"
#include "move/send-blocks.h"

static int table_failed(struct body *body, int error)
{
	return fail(body->report, error, 0, "cannot use the table %s",
		    body->sender->ghosts[body->handle].key);
}

/*
 * Make the table say zero for the range that is held, before its frame is sent. That needs no
 * acknowledgement, because a block of zeroes is never sent as `same`.
 */
static int clear_entries(struct body *body)
{
	uint64_t changed;
	int error = sender_table(body->sender, body->handle, body->report);

	if (error)
		return error;
	error = table_clear(body->sender->table, body->from / BLOCK_SIZE, blocks_of(body->to - body->from),
			    false, &changed);
	return error ? table_failed(body, error) : 0;
}

int blocks_flush(struct body *body)
{
	unsigned char place[24 + BLAKE3_OUT_LEN];
	struct iovec piece = { place, 24 };
	uint32_t kind = body->kind;
	int error = 0;

	body->kind = 0;
	if (kind == 0)
		return 0;
	put_place(place, body->handle, body->from);
	put_number(place + 16, body->to - body->from, 8);
	if (kind == FRAME_SAME) {
		blake3_hasher_finalize(&body->entries, place + 24, BLAKE3_OUT_LEN);
		piece.iov_len += BLAKE3_OUT_LEN;
	} else {
		error = clear_entries(body);
	}
	return error ? error : sender_send(body->sender, kind, &piece, 1, NULL, body->report);
}

/*
 * Hold the blocks from body->done up to the offset `to`, as one range with those that are held already
 * if the kind is the same. Otherwise those are sent first. entries is used for FRAME_SAME only.
 */
static int hold(struct body *body, uint32_t kind, uint64_t to, const unsigned char *entries)
{
	uint64_t most = kind == FRAME_SAME ? GK_MOVE_SAME_BLOCKS * BLOCK_SIZE : UINT64_MAX;
	int error = 0;

	if (to > body->size)
		to = body->size;
	if (to <= body->done)
		return 0;
	if (body->kind != kind || to - body->from > most)
		error = blocks_flush(body);
	if (error)
		return error;
	if (body->kind == 0) {
		body->kind = kind;
		body->from = body->done;
		blake3_hasher_init(&body->entries);
	}
	if (kind == FRAME_SAME)
		blake3_hasher_update(&body->entries, entries, blocks_of(to - body->done) * ENTRY_BYTES);
	body->to = body->done = to;
	return 0;
}

int blocks_hold(struct body *body, uint32_t kind, uint64_t to)
{
	return hold(body, kind, to, NULL);
}

/* Send blocks of the window as data. Until the acknowledgement the table calls them unknown. */
static int send_data(struct body *body, uint64_t to, const unsigned char *bytes, const unsigned char *entries)
{
	uint64_t length = to - body->done, block = body->done / BLOCK_SIZE;
	uint32_t count = (uint32_t)blocks_of(length), sequence;
	unsigned char place[16];
	struct iovec pieces[2] = { { place, sizeof(place) }, { (void *)(uintptr_t)bytes, length } };
	int error = blocks_flush(body);

	if (!error)
		error = sender_make_room(body->sender, count, body->report);
	if (!error)
		error = sender_table(body->sender, body->handle, body->report);
	if (error)
		return error;
	error = table_set_unknown(body->sender->table, block, count);
	if (error)
		return table_failed(body, error);
	put_place(place, body->handle, body->done);
	error = sender_send(body->sender, FRAME_DATA, pieces, 2, &sequence, body->report);
	if (error)
		return error;
	sender_note(body->sender, sequence, body->handle, block, count, entries);
	body->report->differing_bytes += length;
	body->done = to;
	return 0;
}

static uint32_t kind_of(const unsigned char *now, const unsigned char *acknowledged)
{
	if (entry_is_zero(now))
		return FRAME_ZERO;
	return memcmp(now, acknowledged, ENTRY_BYTES) == 0 ? FRAME_SAME : FRAME_DATA;
}

/*
 * How many blocks in a row are of the same kind as the first one. One frame has at most DATA_BLOCKS of
 * data.
 */
static uint32_t row_length(const unsigned char *now, const unsigned char *before, uint32_t count)
{
	uint32_t kind = kind_of(now, before), row = 1;
	uint32_t most = kind == FRAME_DATA && count > DATA_BLOCKS ? (uint32_t)DATA_BLOCKS : count;

	while (row < most &&
	       kind_of(now + (size_t)row * ENTRY_BYTES, before + (size_t)row * ENTRY_BYTES) == kind)
		row++;
	return row;
}

static int send_row(struct body *body, uint32_t kind, uint64_t to, const unsigned char *bytes,
		    const unsigned char *entries)
{
	if (kind != FRAME_ZERO)
		body->report->data_bytes += to - body->done;
	if (kind == FRAME_SAME)
		body->report->kept_bytes += to - body->done;
	return kind == FRAME_DATA ? send_data(body, to, bytes, entries) : hold(body, kind, to, entries);
}

static int check_window(struct body *body, const struct window *window)
{
	if (window->got < 0)
		return fail(body->report, (int)window->got, window->offset,
			    "cannot read the ghost at offset %llu", (unsigned long long)window->offset);
	if ((uint64_t)window->got < window->length)
		return fail(body->report, -ESTALE, window->offset + (uint64_t)window->got,
			    "the ghost ended at offset %llu while it was sent",
			    (unsigned long long)window->offset + (unsigned long long)window->got);
	return 0;
}

static int send_window(struct body *body, const struct window *window)
{
	unsigned char before[sizeof(window->entries)];
	uint32_t count = (uint32_t)blocks_of(window->length), row;
	int error = check_window(body, window);

	if (!error)
		error = sender_table(body->sender, body->handle, body->report);
	if (error)
		return error;
	error = table_get(body->sender->table, window->offset / BLOCK_SIZE, count, before);
	if (error)
		return table_failed(body, error);
	for (uint32_t i = 0; !error && i < count; i += row) {
		const unsigned char *now = window->entries + (size_t)i * ENTRY_BYTES;
		const unsigned char *acknowledged = before + (size_t)i * ENTRY_BYTES;
		uint64_t to;

		row = row_length(now, acknowledged, count - i);
		to = window->offset + (i + row == count ? window->length : (i + row) * BLOCK_SIZE);
		error = send_row(body, kind_of(now, acknowledged), to, window->bytes + i * BLOCK_SIZE, now);
	}
	progress_add(body->progress, window->length);
	return error;
}

int blocks_send(struct body *body, uint64_t until)
{
	const struct window *window;
	int error = 0;

	read_ahead_begin(&body->ahead, body->done, until < body->size ? until : body->size);
	while (!error && (window = read_ahead_next(&body->ahead))) {
		if (cancelled(body->progress))
			return fail(body->report, -ECANCELED, window->offset,
				    "stopped at offset %llu of the ghost",
				    (unsigned long long)window->offset);
		error = send_window(body, window);
		read_ahead_done(&body->ahead);
	}
	return error;
}

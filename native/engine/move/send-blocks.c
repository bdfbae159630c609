// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/progress.h"
#include "base/report.h"
#include "move/send-blocks.h"

int blocks_table_failed(struct body *body, int error)
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
	return error ? blocks_table_failed(body, error) : 0;
}

int blocks_flush(struct body *body)
{
	unsigned char place[GK_MOVE_PATCH_HEAD_BYTES];
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
		if (body->patch.blocks_count)
			return patch_send(&body->patch, body->sender, body->handle, place, body->report);
	} else {
		error = clear_entries(body);
	}
	return error ? error : sender_send(body->sender, kind, &piece, 1, NULL, body->report);
}

int blocks_hold(struct body *body, uint32_t kind, uint64_t to, const unsigned char *entries)
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

int blocks_data(struct body *body, uint64_t to, const unsigned char *bytes, const unsigned char *entries,
		const unsigned char *tags)
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
		return blocks_table_failed(body, error);
	put_place(place, body->handle, body->done);
	error = sender_send(body->sender, FRAME_DATA, pieces, 2, &sequence, body->report);
	if (error)
		return error;
	sender_note(body->sender, sequence, body->handle, block, count, entries, tags);
	body->report->differing_bytes += length;
	body->done = to;
	return 0;
}

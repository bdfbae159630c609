// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/progress.h"
#include "base/report.h"
#include "move/send-windows.h"

/* A row of so many changed blocks is sent as data, even if it splits a `same`. */
#define LONG_ROW 8

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

/* A row of blocks in a window, all of one kind, and what the table has for the window. */
struct row {
	const struct window *window;
	const unsigned char *before;
	uint32_t first, count;
};

static const unsigned char *entry_at(const struct row *row, uint32_t i)
{
	return row->window->entries + (size_t)i * ENTRY_BYTES;
}

static const unsigned char *tags_at(const struct row *row, uint32_t i)
{
	return row->window->tags + (size_t)i * BLOCK_TAGS_BYTES;
}

/* Where block i ends, counted from the window's offset. */
static uint64_t end_of(const struct row *row, uint32_t i)
{
	uint64_t end = (i + 1) * BLOCK_SIZE;

	return end < row->window->length ? end : row->window->length;
}

/* The pages of block i that the receiver lacks, a bit for each. */
static unsigned char lacking(const struct row *row, uint32_t i)
{
	const unsigned char *acknowledged = row->before + (size_t)i * ENTRY_BYTES;
	uint64_t length = end_of(row, i) - i * BLOCK_SIZE;

	if (row->window->changed[i] && !entry_is_zero(acknowledged) && !entry_is_unknown(acknowledged))
		return row->window->changed[i];
	return (unsigned char)((1 << (length + PAGE_BYTES - 1) / PAGE_BYTES) - 1);
}

/* Add blocks to the range that is held, and their changed pages to its exceptions. */
static int patch_row(struct body *body, const struct row *row)
{
	for (uint32_t i = row->first; i < row->first + row->count; i++) {
		struct changed_block changed = {
			.block = body->done / BLOCK_SIZE,
			.bytes = row->window->bytes + i * BLOCK_SIZE,
			.length = end_of(row, i) - i * BLOCK_SIZE,
			.entry = entry_at(row, i),
			.tags = tags_at(row, i),
			.pages = lacking(row, i),
		};
		int error = patch_has_room(&body->patch) ? 0 : blocks_flush(body);
		uint64_t sent;

		if (!error)
			error = blocks_hold(body, FRAME_SAME, body->done + changed.length, changed.entry);
		if (error)
			return error;
		sent = patch_add(&body->patch, body->from, &changed);
		body->report->differing_bytes += sent;
		body->report->kept_bytes += changed.length - sent;
	}
	return 0;
}

/* A frame `data` is cheaper for a row of which most is sent, unless it would split a long `same`. */
static bool is_patch(const struct body *body, const struct row *row)
{
	uint32_t pages = 0;

	if (body->ahead.tags < 0)
		return false;
	for (uint32_t i = row->first; i < row->first + row->count; i++)
		pages += (uint32_t)__builtin_popcount(lacking(row, i));
	return pages * 4 < row->count * BLOCK_PAGES * 3 ||
	       (row->count < LONG_ROW && body->kind == FRAME_SAME);
}

/* Write the tags of blocks that are the same, where the file of tags has others: it may have been lost. */
static int mend_tags(struct body *body, const struct row *row)
{
	uint64_t first = row->window->offset / BLOCK_SIZE + row->first;
	bool is_wrong = false;
	int error;

	for (uint32_t i = row->first; i < row->first + row->count; i++)
		is_wrong |= row->window->changed[i] != 0;
	if (body->ahead.tags < 0 || !is_wrong)
		return 0;
	error = tags_put(body->ahead.tags, first, row->count, tags_at(row, row->first));
	return error ? blocks_table_failed(body, error) : 0;
}

static int send_row(struct body *body, uint32_t kind, const struct row *row)
{
	uint64_t to = row->window->offset + end_of(row, row->first + row->count - 1);
	const unsigned char *entries = entry_at(row, row->first);
	int error = 0;

	if (kind != FRAME_ZERO)
		body->report->data_bytes += to - body->done;
	if (kind == FRAME_SAME) {
		body->report->kept_bytes += to - body->done;
		error = mend_tags(body, row);
	}
	if (kind != FRAME_DATA)
		return error ? error : blocks_hold(body, kind, to, entries);
	if (is_patch(body, row))
		return patch_row(body, row);
	return blocks_data(body, to, row->window->bytes + row->first * BLOCK_SIZE, entries,
			   body->ahead.tags < 0 ? NULL : tags_at(row, row->first));
}

static int check_window(struct body *body, const struct window *window)
{
	if (window->got < 0)
		return fail(body->report, (int)window->got, window->offset,
			    "cannot read the ghost at offset %llu", (unsigned long long)window->offset);
	if (window->table_got < 0)
		return blocks_table_failed(body, window->table_got);
	if ((uint64_t)window->got < window->length)
		return fail(body->report, -ESTALE, window->offset + (uint64_t)window->got,
			    "the ghost ended at offset %llu while it was sent",
			    (unsigned long long)window->offset + (unsigned long long)window->got);
	return 0;
}

static int send_window(struct body *body, const struct window *window)
{
	unsigned char before[sizeof(window->entries)];
	uint32_t count = (uint32_t)blocks_of(window->length);
	struct row row = { .window = window, .before = before };
	int error = check_window(body, window);

	if (!error)
		error = sender_table(body->sender, body->handle, body->report);
	if (error)
		return error;
	error = table_get(body->sender->table, window->offset / BLOCK_SIZE, count, before);
	if (error)
		return blocks_table_failed(body, error);
	for (; !error && row.first < count; row.first += row.count) {
		const unsigned char *now = entry_at(&row, row.first);
		const unsigned char *acknowledged = before + (size_t)row.first * ENTRY_BYTES;

		row.count = row_length(now, acknowledged, count - row.first);
		error = send_row(body, kind_of(now, acknowledged), &row);
	}
	progress_add(body->progress, window->length);
	return error;
}

int windows_send(struct body *body, uint64_t until)
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

// SPDX-License-Identifier: MIT
/*
 * Turns a receiver's ghost into a ghost image without copying it: ghostkeep-move.h has the contract. The
 * content stays at its own offsets, and chunk headers go into the holes between its data. Only the first
 * block goes to the end of the file, to make room for the head of the image.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/report.h"
#include "image/chunk-header.h"
#include "image/format.h"
#include "image/image-chunks.h"
#include "move/table.h"

#define AT_ONCE 1024 /* entries of a table that are read at once */
#define TAIL_ALIGN (UINT64_C(4) << 10)
#define FILLER_BYTES (UINT64_C(64) << 10)

struct shape {
	int fd;
	bool writes; /* false: only find out whether it is possible */
	uint64_t size;
	const uint64_t *runs;
	uint32_t count;
	uint64_t at;   /* the next header begins here */
	uint64_t tail; /* where the first block goes */
};

GK_PUBLIC int gk_shape_runs(int table_fd, uint64_t size, uint64_t *runs, uint32_t room, uint32_t *count,
			    struct gk_report *report)
{
	unsigned char entries[AT_ONCE * ENTRY_BYTES];
	uint64_t blocks = blocks_of(size), some;
	bool is_open = false;

	memset(report, 0, sizeof(*report));
	*count = 0;
	for (uint64_t block = 0; block < blocks; block += some) {
		int error;

		some = blocks - block < AT_ONCE ? blocks - block : AT_ONCE;
		error = table_get(table_fd, block, some, entries);
		if (error)
			return fail(report, error, block * BLOCK_SIZE, "cannot read the table of a ghost");
		for (uint64_t i = 0; i < some; i++) {
			bool is_data = block + i == 0 || !entry_is_zero(entries + i * ENTRY_BYTES);

			if (is_data && !is_open && *count == room)
				return fail(report, -E2BIG, 0, "a ghost has more than %u ranges", room);
			if (is_data && !is_open)
				runs[2 * (*count)++] = block + i;
			if (is_data)
				runs[2 * *count - 1] = block + i + 1;
			report->data_bytes += is_data ? BLOCK_SIZE : 0;
			is_open = is_data;
		}
	}
	return 0;
}

static int put_header(struct shape *shape, uint64_t offset, uint64_t length, uint64_t room)
{
	unsigned char header[CHUNK_HEADER_ROOM];
	uint64_t zeroes;
	uint32_t bytes = encode_chunk_filling(header, offset, length, room, &zeroes);
	struct iovec piece = { header, bytes };
	uint64_t at = shape->at;

	if (!bytes)
		return -EOPNOTSUPP;
	shape->at += room;
	/* The padding is not written: a hole is there. */
	return shape->writes ? writev_full(shape->fd, &piece, 1, at) : 0;
}

/* Fill the room from shape->at up to a position with headers. The chunk's data begins at the position. */
static int put_chunk(struct shape *shape, uint64_t offset, uint64_t length, uint64_t position)
{
	int error = 0;

	while (!error && position - shape->at > GAP_MAX)
		error = put_header(shape, offset, 0, FILLER_BYTES);
	if (!error)
		error = put_header(shape, offset, length, position - shape->at);
	shape->at = position + length;
	return error;
}

static int put_chunks(struct shape *shape, uint64_t header_bytes)
{
	shape->at = header_bytes;
	for (uint32_t i = 0; i < shape->count; i++) {
		uint64_t from = (shape->runs[2 * i] ? shape->runs[2 * i] : 1) * BLOCK_SIZE;
		uint64_t to = shape->runs[2 * i + 1] * BLOCK_SIZE;
		int error = 0;

		if (to > shape->size)
			to = shape->size;
		if (from < to)
			error = put_chunk(shape, from, to - from, from);
		if (error)
			return error;
	}
	return put_chunk(shape, 0, BLOCK_SIZE, shape->tail);
}

/* Whether the runs ascend inside the ghost, do not touch, and begin with the first block. */
static bool are_runs(const struct shape *shape)
{
	uint64_t end = 0, blocks = blocks_of(shape->size);

	for (uint32_t i = 0; i < shape->count; i++) {
		uint64_t from = shape->runs[2 * i], to = shape->runs[2 * i + 1];

		if (from >= to || to > blocks || (i ? from <= end : from != 0))
			return false;
		end = to;
	}
	return shape->count > 0;
}

/* Compute where the tail begins. Returns -EOPNOTSUPP where there is no room for all headers. */
static int plan(struct shape *shape, uint64_t header_bytes)
{
	int error = -EOPNOTSUPP;

	if (!are_runs(shape) || shape->size < 2 * BLOCK_SIZE || shape->size > INT64_MAX / 2 ||
	    header_bytes > BLOCK_SIZE / 2)
		return -EOPNOTSUPP;
	shape->writes = false;
	shape->tail = (shape->size + TAIL_ALIGN - 1) / TAIL_ALIGN * TAIL_ALIGN;
	/* There are a few lengths that no header has. If the gap has one of them, try a longer gap. */
	for (int i = 0; i < 2 && error == -EOPNOTSUPP; i++) {
		shape->tail += TAIL_ALIGN;
		error = put_chunks(shape, header_bytes);
	}
	return error;
}

GK_PUBLIC int gk_shape_tail(int data_fd, uint64_t size, uint64_t header_bytes, const uint64_t *runs,
			    uint32_t count, struct gk_report *report)
{
	struct shape shape = { .fd = data_fd, .size = size, .runs = runs, .count = count };
	unsigned char block[BLOCK_SIZE];
	struct iovec piece = { block, sizeof(block) };
	int error = plan(&shape, header_bytes);
	int64_t got;

	memset(report, 0, sizeof(*report));
	if (error)
		return fail(report, error, 0, "cannot make an image where the ghost is");
	got = read_full(data_fd, block, sizeof(block), 0);
	if (got >= 0 && got < (int64_t)sizeof(block))
		got = -ESTALE;
	if (got < 0)
		return fail(report, (int)got, 0, "cannot read the first block of a ghost");
	/* An earlier attempt may have left a tail at another place: cut it off. */
	if (ftruncate(data_fd, (off_t)size) < 0)
		return fail(report, -errno, size, "cannot cut a ghost to its size");
	error = writev_full(data_fd, &piece, 1, shape.tail);
	return error ? fail(report, error, shape.tail, "cannot write behind a ghost") : 0;
}

GK_PUBLIC int gk_shape_heads(int data_fd, uint64_t size, const void *header, uint64_t header_bytes,
			     const uint64_t *runs, uint32_t count, struct gk_report *report)
{
	static const unsigned char zeroes[BLOCK_SIZE];
	struct shape shape = { .fd = data_fd, .size = size, .runs = runs, .count = count };
	int error = plan(&shape, header_bytes);
	struct iovec pieces[2] = {
		{ (void *)(uintptr_t)header, header_bytes },
		{ (void *)(uintptr_t)zeroes, error ? 0 : BLOCK_SIZE - header_bytes },
	};

	memset(report, 0, sizeof(*report));
	shape.writes = true;
	if (!error)
		error = writev_full(data_fd, pieces, 2, 0);
	if (!error)
		error = put_chunks(&shape, header_bytes);
	return error ? fail(report, error, 0, "cannot make an image where the ghost is") : 0;
}

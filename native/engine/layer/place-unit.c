// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/io.h"
#include "copy/copy.h"
#include "layer/place-unit.h"

/* The data of a chunk is aligned as a dump aligns it (native/engine/image/image-chunks.c). */
#define WIDE_BYTES (UINT64_C(4) << 20)
#define WIDE_ALIGN (UINT64_C(64) << 10)

int flush_pieces(struct unpack *unpack)
{
	int error = writev_full(unpack->to, unpack->pieces, unpack->count, unpack->gathered_at);

	if (unpack->count)
		unpack->report->ways |= GK_COPY_READ_WRITE;
	unpack->count = 0;
	unpack->gathered = 0;
	return error ? fail(unpack->report, error, unpack->gathered_at, "cannot write at offset %llu",
			    (unsigned long long)unpack->gathered_at) :
		       0;
}

/*
 * Write the gathered pieces if there is no room for another one, or if a piece for position would not
 * follow them.
 */
static int make_room(struct unpack *unpack, uint64_t position)
{
	bool follows = !unpack->count || unpack->gathered_at + unpack->gathered == position;

	return unpack->count == PIECES_MAX || !follows ? flush_pieces(unpack) : 0;
}

/* Gather a piece. Its bytes must stay where they are until flush_pieces(). */
static int gather(struct unpack *unpack, const void *bytes, uint64_t length, uint64_t position)
{
	int error = make_room(unpack, position);

	if (!unpack->count)
		unpack->gathered_at = position;
	unpack->pieces[unpack->count++] = (struct iovec){ (void *)bytes, length };
	unpack->gathered += length;
	return error;
}

bool is_checked(const struct unpack *unpack, uint64_t unit)
{
	return unpack->check_first && unit >= unpack->check_from;
}

int check_written(struct unpack *unpack, const unsigned char *bytes, uint64_t length, uint64_t position)
{
	unsigned char found[BLOCK_BYTES];

	while (length) {
		uint64_t part = length < sizeof(found) ? length : sizeof(found);
		int64_t got = read_full(unpack->to, found, part, position);

		if (got < 0)
			return fail(unpack->report, (int)got, position, "cannot read at offset %llu",
				    (unsigned long long)position);
		if ((uint64_t)got < part || memcmp(found, bytes, part))
			return fail(unpack->report, -EBADMSG, position,
				    "at offset %llu there are other bytes than were written",
				    (unsigned long long)position);
		bytes += part;
		position += part;
		length -= part;
	}
	return 0;
}

/*
 * Begin the next chunk of the image, whose first byte is at offset of the ghost. With passed, an
 * earlier call has written the header of this chunk.
 */
static int begin_chunk(struct unpack *unpack, uint64_t offset, bool passed)
{
	static const unsigned char zero[2 * WIDE_ALIGN];
	uint64_t at, length, zeroes = 0, used, align;
	unsigned char *header;
	int got, error;

	got = runs_next(&unpack->runs, &at, &length);
	if (got < 0)
		return got;
	if (got == 0 || at != offset)
		return fail(unpack->report, -EBADMSG, offset, "the map was changed while it was read");
	/* This may write the gathered pieces and set count to 0, and count chooses the header's buffer. */
	error = make_room(unpack, unpack->position);
	if (error)
		return error;
	header = unpack->headers[unpack->count];
	align = length >= WIDE_BYTES ? WIDE_ALIGN : unpack->align;
	if (length >= LARGE_BYTES)
		used = encode_padded_chunk(header, offset, length, unpack->position, align, &zeroes);
	else
		used = encode_chunk(header, offset, length);
	if (!passed)
		error = gather(unpack, header, used, unpack->position);
	else if (is_checked(unpack, offset / UNIT_BYTES))
		error = check_written(unpack, header, used, unpack->position);
	if (!error && zeroes && !passed)
		error = gather(unpack, zero, zeroes, unpack->position + used);
	else if (!error && is_checked(unpack, offset / UNIT_BYTES))
		error = check_written(unpack, zero, zeroes, unpack->position + used);
	unpack->position += used + zeroes;
	unpack->run_left = length;
	unpack->report->chunks++;
	return error;
}

/*
 * Reflink a range from the file that it comes from, if source and destination lie on blocks. Returns
 * false if that fails. It also returns false if some bytes of the range count as zero because they
 * lie behind the ghost's end: the source may have other bytes there.
 */
static bool clone(struct unpack *unpack, const struct unit *unit, uint32_t at, uint64_t length, uint64_t to)
{
	if (at + length > unit->length)
		return false;
	for (uint32_t i = 0; unpack->clones && i < unit->pieces; i++) {
		const struct piece *piece = &unpack->batch.places[unit->first_piece + i];
		struct file_clone_range range = {
			.src_fd = piece->fd,
			.src_offset = piece->position + (at - piece->at),
			.src_length = length,
			.dest_offset = to,
		};

		if (at < piece->at || at + length > piece->at + piece->length)
			continue;
		if (range.src_offset % unpack->align || length % unpack->align || to % unpack->align)
			return false;
		while (ioctl(unpack->to, FICLONERANGE, &range) < 0)
			if (errno != EINTR) {
				unpack->clones = false;
				return false;
			}
		unpack->report->ways |= GK_COPY_REFLINK;
		return true;
	}
	return false;
}

/*
 * Find out where a row of neighbouring blocks of a unit goes: *length bytes, which is cut at the
 * ghost's end, go to *to. Rows are asked for in ascending order.
 */
static int place_row(struct unpack *unpack, uint64_t offset, uint64_t *length, uint64_t *to, bool passed)
{
	int error = 0;

	if (*length > unpack->chain.size - offset)
		*length = unpack->chain.size - offset;
	*to = offset;
	if (!unpack->image)
		return 0;
	if (unpack->run_left == 0)
		error = begin_chunk(unpack, offset, passed);
	if (error)
		return error;
	if (*length > unpack->run_left)
		return fail(unpack->report, -EBADMSG, offset, "the map was changed while it was read");
	*to = unpack->position;
	unpack->position += *length;
	unpack->run_left -= *length;
	return 0;
}

int write_unit(struct unpack *unpack, const struct unit *unit)
{
	uint16_t blocks = unit->blocks;
	uint32_t first, count;
	int error = 0;

	while (!error && blocks) {
		uint64_t length, to;

		take_blocks(&blocks, &first, &count);
		length = count * BLOCK_BYTES;
		error = place_row(unpack, unit->number * UNIT_BYTES + first * BLOCK_BYTES, &length, &to,
				  false);
		if (error)
			return error;
		unpack->written += length;
		unpack->report->data_bytes += length;
		if (!clone(unpack, unit, first * BLOCK_BYTES, length, to))
			error = gather(unpack, unit->bytes + first * BLOCK_BYTES, length, to);
	}
	return error;
}

int pass_unit(struct unpack *unpack, struct unit *unit)
{
	uint16_t blocks = unit->blocks;
	uint32_t first, count;
	int error = 0;

	unit->skipped = !is_checked(unpack, unit->number);
	while (!error && blocks) {
		uint64_t length, to;

		take_blocks(&blocks, &first, &count);
		length = count * BLOCK_BYTES;
		error = place_row(unpack, unit->number * UNIT_BYTES + first * BLOCK_BYTES, &length, &to,
				  true);
		unpack->report->data_bytes += length;
		if (!error && !unit->skipped)
			batch_add_piece(&unpack->batch, unpack->to, to, first * BLOCK_BYTES,
					(uint32_t)length);
	}
	return error;
}

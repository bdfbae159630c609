// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/threads.h"
#include "blake3/blake3.h"
#include "layer/batch.h"

/*
 * A unit has at most one piece for each of its bytes, in each of the two runs of an image. The runs
 * are read one after the other. So if somebody changes the file meanwhile, both may have a piece for
 * every byte.
 */
#define UNIT_PIECES_MAX (2 * UNIT_BYTES)
#define PIECES_MAX (2 * UNIT_PIECES_MAX)

int batch_init(struct batch *batch, struct gk_report *report)
{
	memset(batch, 0, sizeof(*batch));
	batch->places = malloc(PIECES_MAX * sizeof(*batch->places));
	batch->room = window_alloc(BATCH_UNITS * UNIT_BYTES);
	return batch->places && batch->room ? 0 : fail(report, -ENOMEM, 0, "cannot read layers");
}

void batch_free(struct batch *batch)
{
	free(batch->places);
	free(batch->room);
}

void batch_clear(struct batch *batch)
{
	batch->count = batch->pieces = 0;
}

bool batch_has_room(const struct batch *batch)
{
	return batch->count < BATCH_UNITS && batch->pieces <= PIECES_MAX - UNIT_PIECES_MAX;
}

void batch_add_piece(struct batch *batch, int fd, uint64_t position, uint32_t at, uint32_t length)
{
	batch->places[batch->pieces++] = (struct piece){ fd, at, length, position };
	batch->units[batch->count - 1].pieces++;
}

static void read_unit(struct batch *batch, uint32_t index)
{
	struct unit *unit = &batch->units[index];

	unit->bytes = batch->room + index * UNIT_BYTES;
	unit->error = 0;
	memset(unit->bytes, 0, UNIT_BYTES);
	for (uint32_t i = 0; i < unit->pieces && !unit->error; i++) {
		const struct piece *piece = &batch->places[unit->first_piece + i];
		int64_t got = read_full(piece->fd, unit->bytes + piece->at, piece->length, piece->position);

		if (got < 0)
			unit->error = (int)got;
		else if ((uint64_t)got < piece->length)
			unit->error = -ENODATA;
	}
	memset(unit->bytes + unit->length, 0, UNIT_BYTES - unit->length);
}

static bool is_zero(const unsigned char *bytes, uint64_t length)
{
	return bytes[0] == 0 && !memcmp(bytes, bytes + 1, length - 1);
}

static void read_and_check(void *argument, uint32_t index)
{
	struct batch *batch = argument;
	struct unit *unit = &batch->units[index];
	unsigned char digest[DIGEST_BYTES];
	blake3_hasher hasher;
	uint16_t blocks = 0;

	if (unit->skipped)
		return;
	read_unit(batch, index);
	if (unit->error)
		return;
	for (uint32_t block = 0; block < UNIT_BLOCKS; block++)
		if (!is_zero(unit->bytes + block * BLOCK_BYTES, BLOCK_BYTES))
			blocks |= (uint16_t)(1u << block);
	if (!blocks && !unit->known) { /* a unit of zeroes gets no record, so it needs no digest */
		unit->blocks = 0;
		return;
	}
	blake3_hasher_init(&hasher);
	blake3_hasher_update(&hasher, unit->bytes, UNIT_BYTES);
	blake3_hasher_finalize(&hasher, digest, DIGEST_BYTES);
	if (!unit->known) {
		unit->blocks = blocks;
		memcpy(unit->digest, digest, DIGEST_BYTES);
	} else if (blocks != unit->blocks || memcmp(digest, unit->digest, DIGEST_BYTES)) {
		unit->error = -EBADMSG;
	}
}

static void read_only(void *argument, uint32_t index)
{
	read_unit(argument, index);
}

static int explain(const struct unit *unit, struct gk_report *report)
{
	uint64_t offset = unit->number * UNIT_BYTES;
	const char *what = "cannot read the ghost's bytes";

	if (unit->error == -EBADMSG)
		what = "other bytes than were packed";
	if (unit->error == -ENODATA)
		what = "its data is cut short";
	return fail(report, unit->error == -ENODATA ? -EBADMSG : unit->error, offset,
		    "%s at offset %llu of the ghost", what, (unsigned long long)offset);
}

static int all(struct batch *batch, void (*one)(void *, uint32_t), struct gk_report *report)
{
	each_on_all_processors(one, batch, batch->count, 4);
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->units[i].error)
			return explain(&batch->units[i], report);
	return 0;
}

int batch_read(struct batch *batch, struct gk_report *report)
{
	return all(batch, read_and_check, report);
}

int batch_read_unchecked(struct batch *batch, struct gk_report *report)
{
	return all(batch, read_only, report);
}

// SPDX-License-Identifier: MIT
/* Writes the record of the units that a layer gives up, because a child has replaced them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "layer/batch.h"
#include "layer/chain.h"
#include "layer/little-endian.h"

struct give_up {
	struct chain chain;
	struct batch batch; /* holds one unit at a time, to count the bytes that it has; nothing is read */
	struct level *level;
	uint32_t depth, taker, takers;
	int record_fd;
	uint64_t first, end; /* the range that is not written yet */
	uint32_t range_taker;
	uint64_t ranges, units;
	/*
	 * Units that this call gives up. report->size gets the number at the end and not sooner,
	 * because opening an image writes the image's size there.
	 */
	uint64_t given_now;
	unsigned char window[GIVEN_WINDOW_RANGES * GIVEN_RANGE_BYTES];
	uint64_t filled; /* bytes of the window */
	struct gk_report *report;
	struct gk_progress *progress;
};

static int write_at(struct give_up *give, void *bytes, uint64_t length, uint64_t position)
{
	struct iovec piece = { bytes, length };
	int error = give->record_fd < 0 ? 0 : writev_full(give->record_fd, &piece, 1, position);

	return error ? fail(give->report, error, position,
			    "cannot write the record of what is given up at offset %llu",
			    (unsigned long long)position) :
		       0;
}

static int write_window(struct give_up *give)
{
	uint64_t position = GIVEN_HEAD_BYTES + give->ranges * GIVEN_RANGE_BYTES - give->filled;
	int error = write_at(give, give->window, give->filled, position);

	give->filled = 0;
	return error;
}

static int end_range(struct give_up *give)
{
	unsigned char *to = give->window + give->filled;

	if (give->end == give->first)
		return 0;
	put_le(to, give->first, 8);
	put_le(to + 8, give->end - give->first, 8);
	put_le(to + 16, give->range_taker, 4);
	put_le(to + 20, 0, 4);
	give->filled += GIVEN_RANGE_BYTES;
	give->ranges++;
	give->units += give->end - give->first;
	give->first = give->end;
	return give->filled == sizeof(give->window) ? write_window(give) : 0;
}

static int add_unit(struct give_up *give, uint64_t unit, uint32_t taker)
{
	int error = 0;

	if (give->end != unit || give->range_taker != taker) {
		error = end_range(give);
		give->first = unit;
		give->range_taker = taker;
	}
	give->end = unit + 1;
	return error;
}

/* Count the bytes that a unit has in the level's own image or data. */
static int count_bytes(struct give_up *give, uint64_t unit, uint64_t *bytes)
{
	int error;

	batch_clear(&give->batch);
	give->batch.units[give->batch.count++] = (struct unit){ .number = unit };
	error = level_add_places(give->level, unit, &give->batch);
	*bytes = 0;
	for (uint32_t i = 0; i < give->batch.pieces; i++)
		*bytes += give->batch.places[i].length;
	return error;
}

static int look_at_unit(struct give_up *give, uint64_t unit)
{
	int reached = chain_reaches(&give->chain, unit, give->depth);
	int given = reached < 0 ? reached : given_has(&give->level->given, unit);
	uint64_t bytes;
	int error;

	if (given < 0)
		return given;
	if (reached && given)
		return fail(give->report, -ENOLINK, unit * UNIT_BYTES,
			    "parent %u has given up what its child needs at offset %llu of the ghost",
			    give->depth, (unsigned long long)(unit * UNIT_BYTES));
	error = count_bytes(give, unit, &bytes);
	if (error)
		return error;
	if (reached) {
		give->report->kept_bytes += bytes;
		return 0;
	}
	give->report->differing_bytes += bytes;
	if (!given) {
		give->report->data_bytes += bytes;
		give->given_now++;
	}
	return add_unit(give, unit,
			given && give->level->given.taker ? give->level->given.taker : give->taker);
}

static int look_at_all(struct give_up *give)
{
	unsigned char head[GIVEN_HEAD_BYTES];
	uint64_t unit = 0;
	int got, error = 0;

	while (!error && (got = level_next(give->level, &unit)) != 0) {
		if (got < 0)
			return got;
		if (cancelled(give->progress))
			return fail(give->report, -ECANCELED, unit * UNIT_BYTES,
				    "stopped at offset %llu of the ghost",
				    (unsigned long long)(unit * UNIT_BYTES));
		error = look_at_unit(give, unit++);
		progress_add(give->progress, UNIT_BYTES);
	}
	if (!error)
		error = end_range(give);
	if (!error)
		error = write_window(give);
	give->report->chunks = give->ranges;
	memcpy(head, GIVEN_MAGIC, 8);
	put_le(head + 8, give->ranges, 8);
	put_le(head + 16, give->units, 8);
	put_le(head + 24, give->takers, 4);
	put_le(head + 28, 0, 4);
	return error ? error : write_at(give, head, sizeof(head), 0);
}

static int open_give_up(struct give_up *give, const struct gk_level *levels, uint32_t count)
{
	int error = batch_init(&give->batch, give->report);
	struct stat about;

	if (!error)
		error = chain_open(&give->chain, levels, count, give->report);
	if (error)
		return error;
	if (give->depth == 0 || give->depth >= count || give->taker == 0)
		return fail(give->report, -EINVAL, 0, "layer %u of %u gives nothing up", give->depth, count);
	/*
	 * A layer above this one that is a whole image needs nothing from below. Only the first
	 * level may be one: then it has replaced every unit.
	 */
	for (uint32_t above = 1; above < give->depth; above++)
		if (give->chain.levels[above].whole)
			return fail(give->report, -EINVAL, 0, "layer %u needs no parent", above);
	give->level = &give->chain.levels[give->depth];
	give->takers = give->level->given.takers > give->taker ? give->level->given.takers : give->taker;
	if (give->record_fd < 0)
		return 0;
	if (fstat(give->record_fd, &about) < 0)
		return fail(give->report, -errno, 0, "cannot look at the record");
	if (!S_ISREG(about.st_mode) || about.st_size != 0)
		return fail(give->report, -EINVAL, 0, "the record is not an empty regular file");
	return 0;
}

GK_PUBLIC int gk_give_up(const struct gk_level *levels, uint32_t count, uint32_t depth, int record_fd,
			 uint32_t taker, struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE struct give_up *give = calloc(1, sizeof(*give));
	int error;

	memset(report, 0, sizeof(*report));
	if (!give)
		return fail(report, -ENOMEM, 0, "cannot look for what can be given up");
	give->depth = depth;
	give->record_fd = record_fd;
	give->taker = taker;
	give->report = report;
	give->progress = progress;
	error = open_give_up(give, levels, count);
	if (!error)
		error = look_at_all(give);
	report->size = give->given_now;
	chain_close(&give->chain);
	batch_free(&give->batch);
	return error;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/report.h"
#include "layer/batch.h"
#include "layer/chain.h"

int chain_open(struct chain *chain, const struct gk_level *levels, uint32_t count, struct gk_report *report)
{
	int error;

	memset(chain, 0, sizeof(*chain));
	chain->report = report;
	if (count == 0 || count > GK_LEVELS_MAX)
		return fail(report, -EINVAL, 0, "cannot walk over %u layers", count);
	while (chain->count < count) {
		/* count goes up even if the level cannot be opened, so that chain_close() closes it, too. */
		error = level_open(&chain->levels[chain->count], &levels[chain->count], report);
		chain->count++;
		if (error)
			return error;
	}
	chain->size =
		chain->levels[0].whole ? chain->levels[0].runs[0].image.size : chain->levels[0].map.size;
	return 0;
}

void chain_close(struct chain *chain)
{
	for (uint32_t i = 0; i < chain->count; i++)
		level_close(&chain->levels[i]);
}

int chain_next(struct chain *chain, uint64_t *unit)
{
	return level_next(&chain->levels[0], unit);
}

int chain_reaches(struct chain *chain, uint64_t unit, uint32_t depth)
{
	for (uint32_t above = 0; above < depth; above++) {
		struct map *map = &chain->levels[above].map;
		int error = 0;

		if (chain->levels[above].whole)
			return 0;
		while (!error && !map->ended && map->current.unit < unit)
			error = map_step(map);
		if (error)
			return error;
		if (map->ended || map->current.unit != unit || map->current.where != RECORD_PARENT)
			return 0;
	}
	return 1;
}

/*
 * How many bytes of a unit lie in front of the end of the ghost as a level has it. The level's data
 * may have bytes behind that end. They count as zero, for this level and for all above it: no ghost
 * gets them, so no digest may depend on them.
 */
static uint32_t length_at(const struct level *level, uint64_t unit)
{
	uint64_t size = level->whole ? level->runs[0].image.size : level->map.size;
	uint64_t start = unit * UNIT_BYTES;

	if (start >= size)
		return 0;
	return size - start < UNIT_BYTES ? (uint32_t)(size - start) : UNIT_BYTES;
}

void chain_pass(const struct chain *chain, struct batch *batch)
{
	const struct record *record = &chain->levels[0].map.current;
	struct unit *unit = &batch->units[batch->count++];

	*unit = (struct unit){ .number = record->unit,
			       .first_piece = batch->pieces,
			       .length = length_at(&chain->levels[0], record->unit),
			       .known = true,
			       .skipped = true,
			       .blocks = record->blocks };
	memcpy(unit->digest, record->digest, DIGEST_BYTES);
}

static int gave_up(struct chain *chain, uint64_t start, uint32_t depth)
{
	return fail(chain->report, -ENOLINK, start, "%s %u has given up what is at offset %llu of the ghost",
		    depth ? "parent" : "layer", depth, (unsigned long long)start);
}

static int altered(struct chain *chain, uint64_t start, uint32_t depth)
{
	return fail(chain->report, -EBADMSG, start,
		    "parent %u has not what its child needs at offset %llu of the ghost", depth,
		    (unsigned long long)start);
}

int chain_add(struct chain *chain, uint64_t number, bool open, struct batch *batch)
{
	struct unit *unit = &batch->units[batch->count++];
	uint64_t start = number * UNIT_BYTES;

	*unit = (struct unit){ .number = number, .first_piece = batch->pieces, .length = UNIT_BYTES };
	for (uint32_t depth = 0; depth < chain->count; depth++) {
		struct level *level = &chain->levels[depth];
		struct map *map = &level->map;
		uint32_t length = length_at(level, number);
		int error = 0, given;

		if (length < unit->length)
			unit->length = length;
		if (level->whole) {
			given = given_has(&level->given, number);
			if (given > 0 && depth > 0)
				return gave_up(chain, start, depth);
			unit->given = given > 0;
			return given < 0 ? given : level_add_places(level, number, batch);
		}
		while (!error && !map->ended && map->current.unit < number)
			error = map_step(map);
		if (error)
			return error;
		if (map->ended || map->current.unit != number)
			return depth == 0 ? 0 : altered(chain, start, depth);
		if (depth == 0) {
			unit->known = true;
			unit->blocks = map->current.blocks;
			memcpy(unit->digest, map->current.digest, DIGEST_BYTES);
		} else if (memcmp(unit->digest, map->current.digest, DIGEST_BYTES)) {
			return altered(chain, start, depth);
		}
		given = given_has(&level->given, number);
		if (given < 0)
			return given;
		if (given) {
			unit->given = unit->skipped = chain->tolerates && depth == 0;
			return unit->given ? 0 : gave_up(chain, start, depth);
		}
		if (map->current.where == RECORD_HERE) {
			return level_add_places(level, number, batch);
		}
	}
	unit->skipped = open;
	if (open)
		return 0;
	return fail(chain->report, -EBADMSG, start,
		    "the last layer needs a parent at offset %llu of the ghost", (unsigned long long)start);
}

/*
 * After it is packed, an image is removed. So gk_check(), which is another reader, counts the bytes
 * of its chunks once more.
 */
int chain_took_all(struct chain *chain)
{
	const struct run *runs = chain->levels[0].runs;
	uint64_t taken = runs[0].taken + runs[1].taken;
	struct gk_report checked;
	int error;

	if (!chain->levels[0].whole)
		return 0;
	error = gk_check(runs[0].image.fd, NULL, &checked);
	if (error)
		return fail(chain->report, error, checked.failed_offset, "%s", checked.message);
	if (taken != checked.data_bytes)
		return fail(chain->report, -EIO, 0, "%llu of the image's %llu bytes of data were packed",
			    (unsigned long long)taken, (unsigned long long)checked.data_bytes);
	return 0;
}

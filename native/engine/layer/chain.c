// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/report.h"
#include "layer/batch.h"
#include "layer/chain.h"

static int next_chunk(struct run *run)
{
	int got = image_next(&run->image, &run->chunk);

	run->ended = got == 0;
	return got < 0 ? got : 0;
}

static int open_run(struct run *run, int fd, bool second, struct gk_report *report)
{
	int error = image_open(&run->image, fd, report);

	run->image.first_run_only = !second;
	if (!error)
		error = next_chunk(run);
	while (!error && second && !run->ended && !run->image.second_run)
		error = next_chunk(run);
	return error;
}

/* Several threads read neighbouring units, which the kernel would not take for one sequential read. */
static void read_ahead(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

static int open_level(struct level *level, const struct gk_level *from, struct gk_report *report)
{
	struct stat about;
	int error;

	level->whole = from->image_fd >= 0;
	read_ahead((int)(level->whole ? from->image_fd : from->data_fd));
	if (level->whole) {
		error = open_run(&level->runs[0], (int)from->image_fd, false, report);
		if (!error)
			error = open_run(&level->runs[1], (int)from->image_fd, true, report);
		return error ? error : given_open(&level->given, from, level->runs[0].image.size, report);
	}
	level->data_fd = (int)from->data_fd;
	error = map_open(&level->map, (int)from->map_fd, report);
	if (error)
		return error;
	if (fstat(level->data_fd, &about) < 0)
		return fail(report, -errno, 0, "cannot look at a layer's data");
	if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size != level->map.data_bytes)
		return fail(report, -EBADMSG, 0, "a layer's data has %lld bytes where its map says %llu",
			    (long long)about.st_size, (unsigned long long)level->map.data_bytes);
	return given_open(&level->given, from, level->map.size, report);
}

int chain_open(struct chain *chain, const struct gk_level *levels, uint32_t count, struct gk_report *report)
{
	int error;

	memset(chain, 0, sizeof(*chain));
	chain->report = report;
	if (count == 0 || count > GK_LEVELS_MAX)
		return fail(report, -EINVAL, 0, "cannot walk over %u layers", count);
	while (chain->count < count) {
		/* A level that cannot be opened is closed with the others. */
		error = open_level(&chain->levels[chain->count], &levels[chain->count], report);
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
	for (uint32_t i = 0; i < chain->count; i++) {
		image_close(&chain->levels[i].runs[0].image);
		image_close(&chain->levels[i].runs[1].image);
		map_close(&chain->levels[i].map);
		given_close(&chain->levels[i].given);
	}
}

/* Drop the chunks that end before a unit. */
static int skip_chunks(struct run *run, uint64_t start)
{
	int error = 0;

	while (!error && !run->ended && run->chunk.offset + run->chunk.length <= start)
		error = next_chunk(run);
	return error;
}

/* The first unit of an image from *unit on that may not be all zero. */
static int next_in_image(struct level *level, uint64_t *unit)
{
	uint64_t start = *unit * UNIT_BYTES, first = UINT64_MAX;

	for (struct run *run = level->runs; run < level->runs + 2; run++) {
		int error = skip_chunks(run, start);

		if (error)
			return error;
		if (!run->ended && run->chunk.offset < first)
			first = run->chunk.offset;
	}
	if (first > start)
		*unit = first / UNIT_BYTES;
	return first < UINT64_MAX;
}

int level_next(struct level *level, uint64_t *unit)
{
	int error = 0;

	if (level->whole)
		return next_in_image(level, unit);
	while (!error && !level->map.ended && level->map.current.unit < *unit)
		error = map_step(&level->map);
	if (error || level->map.ended)
		return error;
	*unit = level->map.current.unit;
	return 1;
}

int chain_next(struct chain *chain, uint64_t *unit)
{
	return level_next(&chain->levels[0], unit);
}

static int add_chunks(struct run *run, uint64_t start, struct batch *batch)
{
	uint64_t end = start + UNIT_BYTES;
	int error = skip_chunks(run, start);

	while (!error && !run->ended && run->chunk.offset < end) {
		const struct image_chunk *chunk = &run->chunk;
		uint64_t from = chunk->offset > start ? chunk->offset : start;
		uint64_t until = chunk->offset + chunk->length < end ? chunk->offset + chunk->length : end;

		batch_add_piece(batch, run->image.fd, chunk->position + (from - chunk->offset),
				(uint32_t)(from - start), (uint32_t)(until - from));
		run->taken += until - from;
		if (chunk->offset + chunk->length > end)
			break;
		error = next_chunk(run);
	}
	return error;
}

/* Neighbouring blocks lie together in the data, too. */
static void add_blocks(struct level *level, const struct record *record, struct batch *batch)
{
	uint64_t position = record->position;
	uint32_t block = 0, first;

	while (block < UNIT_BLOCKS) {
		if (!(record->blocks >> block & 1)) {
			block++;
			continue;
		}
		for (first = block; block < UNIT_BLOCKS && record->blocks >> block & 1;)
			block++;
		batch_add_piece(batch, level->data_fd, position, first * BLOCK_BYTES,
				(block - first) * BLOCK_BYTES);
		position += (block - first) * BLOCK_BYTES;
	}
}

int level_add(struct level *level, uint64_t number, struct batch *batch)
{
	uint64_t start = number * UNIT_BYTES;
	int error = 0;

	batch->units[batch->count++] = (struct unit){ .number = number, .first_piece = batch->pieces };
	if (level->whole) {
		error = add_chunks(&level->runs[0], start, batch);
		return error ? error : add_chunks(&level->runs[1], start, batch);
	}
	while (!error && !level->map.ended && level->map.current.unit < number)
		error = map_step(&level->map);
	if (!error && !level->map.ended && level->map.current.unit == number &&
	    level->map.current.where == RECORD_HERE)
		add_blocks(level, &level->map.current, batch);
	return error;
}

int chain_reaches(struct chain *chain, uint64_t unit, uint32_t depth)
{
	for (uint32_t above = 0; above < depth; above++) {
		struct map *map = &chain->levels[above].map;
		int error = 0;

		while (!error && !map->ended && map->current.unit < unit)
			error = map_step(map);
		if (error)
			return error;
		if (map->ended || map->current.unit != unit || map->current.where != RECORD_PARENT)
			return 0;
	}
	return 1;
}

void chain_pass(const struct chain *chain, struct batch *batch)
{
	const struct record *record = &chain->levels[0].map.current;
	struct unit *unit = &batch->units[batch->count++];

	*unit = (struct unit){ .number = record->unit,
			       .first_piece = batch->pieces,
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

int chain_add(struct chain *chain, uint64_t number, bool local, struct batch *batch)
{
	struct unit *unit = &batch->units[batch->count++];
	uint64_t start = number * UNIT_BYTES;

	*unit = (struct unit){ .number = number, .first_piece = batch->pieces };
	for (uint32_t depth = 0; depth < chain->count; depth++) {
		struct level *level = &chain->levels[depth];
		struct map *map = &level->map;
		int error = 0, given;

		if (level->whole) {
			given = given_has(&level->given, number);
			unit->given = given > 0;
			error = given < 0 ? given : add_chunks(&level->runs[0], start, batch);
			return error ? error : add_chunks(&level->runs[1], start, batch);
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
			add_blocks(level, &map->current, batch);
			return 0;
		}
		unit->skipped = local;
		if (local)
			return 0;
	}
	return fail(chain->report, -EBADMSG, start,
		    "the last layer needs a parent at offset %llu of the ghost", (unsigned long long)start);
}

/* The image is removed when it is packed, so its chunks are counted by another reader, gk_check(). */
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

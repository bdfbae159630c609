// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/report.h"
#include "layer/batch.h"
#include "layer/level.h"

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

/*
 * Ask the kernel to read ahead. Several threads read neighbouring units, and the kernel would not
 * take that for one sequential read.
 */
static void read_ahead(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

int level_open(struct level *level, const struct gk_level *from, struct gk_report *report)
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

/* Add the places of a unit's blocks. Neighbouring blocks lie together in the data: one place each. */
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

int level_add_places(struct level *level, uint64_t number, struct batch *batch)
{
	uint64_t start = number * UNIT_BYTES;
	int error = 0;

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

void level_close(struct level *level)
{
	image_close(&level->runs[0].image);
	image_close(&level->runs[1].image);
	map_close(&level->map);
	given_close(&level->given);
}

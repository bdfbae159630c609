// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/memory.h"
#include "layer/little-endian.h"
#include "layer/map-read.h"

/* The largest size that is taken for one: the sum of two offsets below it does not overflow. */
#define SIZE_MAX_BYTES (UINT64_C(1) << 62)

static int bad(struct map *map, uint64_t position, const char *what)
{
	return fail(map->report, -EBADMSG, position, "%s at offset %llu of the map", what,
		    (unsigned long long)position);
}

static int read_map(struct map *map, void *to, uint64_t length, uint64_t position)
{
	int64_t got = read_full(map->fd, to, length, position);

	if (got < 0)
		return fail(map->report, (int)got, position, "cannot read the map at offset %llu",
			    (unsigned long long)position);
	return (uint64_t)got < length ? bad(map, position, "the map is cut short") : 0;
}

static int read_head(struct map *map, uint64_t bytes)
{
	unsigned char head[LAYER_HEAD_BYTES];
	int error = read_map(map, head, sizeof(head), 0);
	uint64_t units;

	if (error)
		return error;
	if (memcmp(head, LAYER_MAGIC, 8))
		return bad(map, 0, "no map of a layer");
	map->size = get_le(head + 8, 8);
	map->records = get_le(head + 16, 8);
	map->data_bytes = get_le(head + 24, 8);
	if (map->size > SIZE_MAX_BYTES)
		return bad(map, 8, "an impossible size");
	units = map->size / UNIT_BYTES + !!(map->size % UNIT_BYTES);
	if (map->records > units)
		return bad(map, 16, "more records than the ghost has units");
	if (bytes < LAYER_HEAD_BYTES || (bytes - LAYER_HEAD_BYTES) % RECORD_BYTES ||
	    (bytes - LAYER_HEAD_BYTES) / RECORD_BYTES != map->records)
		return bad(map, 16, "another number of records than the map has");
	if (map->data_bytes > map->records * UNIT_BYTES || map->data_bytes % BLOCK_BYTES)
		return bad(map, 24, "an impossible number of bytes of data");
	return 0;
}

/* Bits of the blocks that the ghost has in a unit. */
static uint16_t blocks_inside(const struct map *map, uint64_t unit)
{
	uint64_t left = map->size - unit * UNIT_BYTES;
	uint64_t blocks = left / BLOCK_BYTES + !!(left % BLOCK_BYTES);

	return blocks >= UNIT_BLOCKS ? UINT16_MAX : (uint16_t)((1u << blocks) - 1);
}

static int parse(struct map *map, const unsigned char *bytes, uint64_t position, bool first)
{
	uint64_t unit = get_le(bytes, 8), units = map->size / UNIT_BYTES + !!(map->size % UNIT_BYTES);
	struct record *record = &map->current;

	if (!first && unit <= record->unit)
		return bad(map, position, "a unit that is not behind the one before it");
	if (unit >= units)
		return bad(map, position, "a unit that passes the ghost's size");
	record->unit = unit;
	record->blocks = (uint16_t)get_le(bytes + 8, 2);
	record->where = (uint16_t)get_le(bytes + 10, 2);
	if (!record->blocks || (record->blocks & ~blocks_inside(map, unit)))
		return bad(map, position, "impossible blocks");
	if (record->where != RECORD_HERE && record->where != RECORD_PARENT)
		return bad(map, position, "an unknown place of a unit");
	if (get_le(bytes + 12, 4))
		return bad(map, position, "a record of another version");
	memcpy(record->digest, bytes + 16, DIGEST_BYTES);
	record->position = map->data_next;
	if (record->where == RECORD_HERE)
		map->data_next += (uint64_t)__builtin_popcount(record->blocks) * BLOCK_BYTES;
	if (map->data_next > map->data_bytes)
		return bad(map, position, "more data than the head says");
	return 0;
}

int map_step(struct map *map)
{
	uint64_t index = map->next, left = map->records - index;
	uint64_t position = LAYER_HEAD_BYTES + index * RECORD_BYTES;
	int error;

	map->ended = left == 0;
	if (map->ended)
		return map->data_next == map->data_bytes ? 0 : bad(map, 24, "less data than the head says");
	if (index >= map->window_first + map->window_records) {
		map->window_records = 0;
		left = left < MAP_WINDOW_RECORDS ? left : MAP_WINDOW_RECORDS;
		error = read_map(map, map->window, left * RECORD_BYTES, position);
		if (error)
			return error;
		map->window_first = index;
		map->window_records = left;
	}
	map->next++;
	return parse(map, map->window + (index - map->window_first) * RECORD_BYTES, position, index == 0);
}

int map_open(struct map *map, int fd, struct gk_report *report)
{
	struct stat about;
	int error;

	memset(map, 0, sizeof(*map));
	map->fd = fd;
	map->report = report;
	if (fstat(fd, &about) < 0)
		return fail(report, -errno, 0, "cannot look at the map");
	if (!S_ISREG(about.st_mode))
		return fail(report, -EINVAL, 0, "the map is not a regular file");
	map->window = malloc(MAP_WINDOW_RECORDS * RECORD_BYTES);
	if (!map->window)
		return fail(report, -ENOMEM, 0, "cannot read the map");
	error = read_head(map, (uint64_t)about.st_size);
	return error ? error : map_step(map);
}

void map_close(struct map *map)
{
	free(map->window);
	map->window = NULL;
}

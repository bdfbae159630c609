// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blake3/blake3.h"
#include "compare.h"
#include "forge-layers.h"
#include "layer/layer-format.h"
#include "layer/little-endian.h"
#include "tap.h"

/* The contents of units. All blocks lie in the first half of a unit, so that a ghost may end in the second. */
#define CONTENTS 12

static struct content {
	uint16_t blocks;
	unsigned char bytes[UNIT_BYTES], digest[DIGEST_BYTES];
} contents[CONTENTS];

uint64_t pick_from(uint64_t *state, uint64_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 33) % below;
}

void forge_digest(const unsigned char *bytes, unsigned char *digest)
{
	blake3_hasher hasher;

	blake3_hasher_init(&hasher);
	blake3_hasher_update(&hasher, bytes, UNIT_BYTES);
	blake3_hasher_finalize(&hasher, digest, DIGEST_BYTES);
}

static void make_contents(void)
{
	uint64_t state = 1;

	for (int i = 0; i < CONTENTS; i++) {
		contents[i].blocks = (uint16_t)(1 + pick_from(&state, 255));
		for (uint32_t block = 0; block < UNIT_BLOCKS / 2; block++)
			for (uint32_t at = 0; contents[i].blocks >> block & 1 && at < BLOCK_BYTES; at += 97)
				contents[i].bytes[block * BLOCK_BYTES + at] =
					(unsigned char)(1 + pick_from(&state, 255));
		forge_digest(contents[i].bytes, contents[i].digest);
	}
}

/* The ghost that the image holds has content number u in unit u. */
static int make_image(const struct place *place)
{
	int ghost = image_in(place), image = image_in(place);
	unsigned char head[128];
	struct gk_report report;

	for (int unit = 0; unit < FORGED_UNITS; unit++)
		expect(pwrite(ghost, contents[unit].bytes, UNIT_BYTES, unit * (off_t)UNIT_BYTES) ==
			       (ssize_t)UNIT_BYTES,
		       "write: %m");
	expect(!gk_dump(ghost, image, GK_ENGINE_READ, FORGED_UNITS * UNIT_BYTES, head,
			make_head(head, FORGED_UNITS * UNIT_BYTES, true), GK_DUMP_CHUNKED, NULL, &report),
	       "%s", report.message);
	close(ghost);
	return image;
}

void forge_open(struct forged_layers *layers, const struct place *place)
{
	static const uint64_t rooms[PARTS] = { MAP_ROOM, DATA_ROOM, MAP_ROOM };

	make_contents();
	memset(layers, 0, sizeof(*layers));
	layers->image = make_image(place);
	for (int i = 0; i < FORGED_LEVELS; i++)
		for (int part = 0; part < PARTS; part++) {
			struct forged_file *file = &layers->levels[i].parts[part];

			file->fd = image_in(place);
			file->most = rooms[part];
			file->content = calloc(2, rooms[part]); /* the second half is for comparing */
		}
}

void forge_close(struct forged_layers *layers)
{
	close(layers->image);
	for (int i = 0; i < FORGED_LEVELS; i++)
		for (int part = 0; part < PARTS; part++) {
			close(layers->levels[i].parts[part].fd);
			free(layers->levels[i].parts[part].content);
		}
}

static void add_record(struct forged_level *level, uint64_t unit, int which, bool here)
{
	struct forged_file *map = &level->parts[MAP], *data = &level->parts[DATA];
	unsigned char *record = map->content + map->bytes;
	const struct content *content = &contents[which];

	put_le(record, unit, 8);
	put_le(record + 8, content->blocks, 2);
	put_le(record + 10, here ? RECORD_HERE : RECORD_PARENT, 2);
	put_le(record + 12, 0, 4);
	memcpy(record + 16, content->digest, DIGEST_BYTES);
	map->bytes += RECORD_BYTES;
	for (uint32_t block = 0; here && block < UNIT_BLOCKS; block++) {
		if (!(content->blocks >> block & 1))
			continue;
		memcpy(data->content + data->bytes, content->bytes + block * BLOCK_BYTES, BLOCK_BYTES);
		data->bytes += BLOCK_BYTES;
	}
}

static void end_map(struct forged_level *level, uint64_t size)
{
	unsigned char *head = level->parts[MAP].content;

	memcpy(head, LAYER_MAGIC, 8);
	put_le(head + 8, size, 8);
	put_le(head + 16, (level->parts[MAP].bytes - LAYER_HEAD_BYTES) / RECORD_BYTES, 8);
	put_le(head + 24, level->parts[DATA].bytes, 8);
}

/* Some units that level gave up. */
static void make_record(struct forged_level *level, uint64_t *state)
{
	struct forged_file *record = &level->parts[RECORD];
	uint64_t unit = pick_from(state, 2), ranges = 0, units = 0;

	record->bytes = GIVEN_HEAD_BYTES;
	while (unit < FORGED_UNITS && ranges < 2) {
		uint64_t length = 1 + pick_from(state, 2);

		if (unit + length > FORGED_UNITS)
			length = FORGED_UNITS - unit;
		put_le(record->content + record->bytes, unit, 8);
		put_le(record->content + record->bytes + 8, length, 8);
		put_le(record->content + record->bytes + 16, 1 + pick_from(state, 2), 4);
		put_le(record->content + record->bytes + 20, 0, 4);
		record->bytes += GIVEN_RANGE_BYTES;
		units += length;
		ranges++;
		unit += length + 1 + pick_from(state, 3);
	}
	memcpy(record->content, GIVEN_MAGIC, 8);
	put_le(record->content + 8, ranges, 8);
	put_le(record->content + 16, units, 8);
	put_le(record->content + 24, 2, 4);
	put_le(record->content + 28, 0, 4);
}

void forge_layers(struct forged_layers *layers, uint64_t *state)
{
	uint64_t units = 1 + pick_from(state, FORGED_UNITS);
	struct forged_level *last;

	layers->count = 1 + (uint32_t)pick_from(state, FORGED_LEVELS);
	layers->size = units * UNIT_BYTES - pick_from(state, UNIT_BYTES / 2);
	last = &layers->levels[layers->count - 1];
	for (uint32_t i = 0; i < layers->count; i++) {
		struct forged_level *level = &layers->levels[i];

		level->whole = level == last && i > 0 && !pick_from(state, 4);
		level->has_record = !pick_from(state, 3);
		level->parts[MAP].bytes = LAYER_HEAD_BYTES;
		level->parts[DATA].bytes = 0;
		make_record(level, state);
	}
	for (uint64_t unit = 0; unit < units; unit++) {
		/* The first level gets it from level from, if it has one. */
		uint32_t from = (uint32_t)pick_from(state, layers->count + 1);
		int which = (int)pick_from(state, CONTENTS);

		if (from == layers->count - 1 && last->whole)
			which = (int)unit;
		for (uint32_t i = 0; i < layers->count && from < layers->count; i++)
			if (!layers->levels[i].whole)
				add_record(&layers->levels[i], unit,
					   i <= from ? which : (int)pick_from(state, CONTENTS), i >= from);
	}
	for (uint32_t i = 0; i < layers->count; i++)
		end_map(&layers->levels[i], layers->size);
}

static void harm_file(struct forged_file *file, uint64_t *state)
{
	static const uint64_t numbers[] = { 0,
					    1,
					    2,
					    FORGED_UNITS,
					    65536,
					    UINT64_C(1) << 32,
					    UINT64_C(1) << 46,
					    UINT64_C(1) << 62,
					    UINT64_MAX >> 1,
					    UINT64_MAX - 1,
					    UINT64_MAX };
	uint64_t room = file->bytes < 512 || pick_from(state, 4) ? file->bytes : 512;
	uint64_t at = room ? pick_from(state, room) : 0, number;

	switch (pick_from(state, 7)) {
	case 0:
		file->content[at] ^= (unsigned char)(1 << pick_from(state, 8));
		break;
	case 1:
		file->content[at] = (unsigned char)pick_from(state, 256);
		break;
	case 2: /* a number that is hard to bear, or one near what was there */
		at = at / 8 * 8;
		number = pick_from(state, 2) ? numbers[pick_from(state, sizeof(numbers) / sizeof(*numbers))] :
					       get_le(file->content + at, 8) + pick_from(state, 5) - 2;
		put_le(file->content + at, number, 8);
		break;
	case 3: /* one record in the place of another */
		at = at / 8 * 8;
		number = pick_from(state, file->most - RECORD_BYTES) / 8 * 8;
		if (at + RECORD_BYTES <= file->most)
			memmove(file->content + at, file->content + number, RECORD_BYTES);
		break;
	case 4: /* the ghost of a map ends earlier */
		put_le(file->content + 8, get_le(file->content + 8, 8) - pick_from(state, 2 * UNIT_BYTES), 8);
		break;
	case 5:
		file->bytes = at;
		break;
	default:
		at = file->bytes + pick_from(state, 2 * RECORD_BYTES);
		file->bytes = at < file->most ? at : file->most;
	}
}

void forge_harm(struct forged_layers *layers, uint64_t *state)
{
	for (uint64_t times = pick_from(state, 4); times; times--) {
		struct forged_level *level = &layers->levels[pick_from(state, layers->count)];
		uint64_t part = pick_from(state, 8);

		harm_file(&level->parts[part < 5 ? MAP : part < 6 ? DATA : RECORD], state);
	}
}

void forge_write(struct forged_layers *layers)
{
	for (uint32_t i = 0; i < layers->count; i++) {
		struct forged_level *level = &layers->levels[i];

		for (int part = 0; part < PARTS; part++) {
			struct forged_file *file = &level->parts[part];

			expect(ftruncate(file->fd, 0) == 0 && ftruncate(file->fd, (off_t)file->bytes) == 0,
			       "truncate: %m");
			expect(pwrite(file->fd, file->content, file->bytes, 0) == (ssize_t)file->bytes,
			       "write: %m");
		}
		layers->level[i] = (struct gk_level){ level->whole ? layers->image : -1,
						      level->whole ? -1 : level->parts[MAP].fd,
						      level->whole ? -1 : level->parts[DATA].fd,
						      level->has_record ? level->parts[RECORD].fd : -1, 0 };
	}
}

// SPDX-License-Identifier: MIT
/* Compares files with the layers that were forged. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forge-layers.h"
#include "layer/layer-format.h"
#include "layer/little-endian.h"

static bool is_given(const struct forged_file *record, uint64_t unit)
{
	for (uint64_t at = GIVEN_HEAD_BYTES; at + GIVEN_RANGE_BYTES <= record->bytes; at += GIVEN_RANGE_BYTES)
		if (unit - get_le(record->content + at, 8) < get_le(record->content + at + 8, 8))
			return true;
	return false;
}

/* Take what was punched out of found for what was there, where the record says so and all of it is gone. */
static void fill_given(const struct forged_level *level, unsigned char *found)
{
	const struct forged_file *map = &level->parts[MAP], *data = &level->parts[DATA];
	uint64_t position = 0;

	for (uint64_t at = LAYER_HEAD_BYTES; at + RECORD_BYTES <= map->bytes; at += RECORD_BYTES) {
		uint64_t length =
			(uint64_t)__builtin_popcount((unsigned int)get_le(map->content + at + 8, 2)) *
			BLOCK_BYTES;

		if (get_le(map->content + at + 10, 2) != RECORD_HERE)
			continue;
		if (position + length <= data->bytes &&
		    is_given(&level->parts[RECORD], get_le(map->content + at, 8)))
			memcpy(found + position, data->content + position, length);
		position += length;
	}
}

bool forge_holds(const struct forged_layers *layers, int punched)
{
	for (uint32_t i = 0; i < layers->count; i++)
		for (int part = 0; part < PARTS; part++) {
			const struct forged_file *file = &layers->levels[i].parts[part];
			unsigned char *found = file->content + file->most;
			struct stat about;

			if (fstat(file->fd, &about) < 0 || (uint64_t)about.st_size != file->bytes ||
			    pread(file->fd, found, file->bytes, 0) != (ssize_t)file->bytes)
				return false;
			if ((int)i == punched && part == DATA)
				fill_given(&layers->levels[i], found);
			if (memcmp(found, file->content, file->bytes))
				return false;
		}
	return true;
}

static bool is_digest_of(int to, const unsigned char *record)
{
	static unsigned char bytes[UNIT_BYTES];
	unsigned char digest[DIGEST_BYTES];

	memset(bytes, 0, sizeof(bytes));
	if (pread(to, bytes, sizeof(bytes), (off_t)(get_le(record, 8) * UNIT_BYTES)) < 0)
		return false;
	forge_digest(bytes, digest);
	return !memcmp(digest, record + 16, DIGEST_BYTES);
}

/* Units without a record must be holes: the file has no more blocks than those with one. */
bool forge_is_ghost(const struct forged_layers *layers, int to, uint64_t size)
{
	const struct forged_file *map = &layers->levels[0].parts[MAP];
	uint64_t at = LAYER_HEAD_BYTES, units = 0;
	struct stat about;

	for (; at + RECORD_BYTES <= map->bytes; at += RECORD_BYTES, units++)
		if (!is_digest_of(to, map->content + at))
			return false;
	return fstat(to, &about) == 0 && (uint64_t)about.st_size == size &&
	       size == get_le(map->content + 8, 8) && (uint64_t)about.st_blocks * 512 <= units * UNIT_BYTES;
}

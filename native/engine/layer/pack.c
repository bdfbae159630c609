// SPDX-License-Identifier: MIT
/* Writes a layer: the map and the data of one ghost. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "layer/batch.h"
#include "layer/chain.h"
#include "layer/little-endian.h"
#include "layer/name.h"

struct pack {
	struct chain ghost, parent;
	struct batch units, others; /* the same units of the ghost and of its parent */
	int map_fd, data_fd;	    /* -1: only count */
	uint64_t records, data_bytes;
	unsigned char written[BATCH_UNITS * RECORD_BYTES];
	blake3_hasher all_records; /* a hash of the records that were written */
	struct gk_name *name;
	struct gk_report *report;
	struct gk_progress *progress;
};

static int write_at(struct pack *pack, int fd, struct iovec *pieces, int count, uint64_t position,
		    const char *what)
{
	int error = writev_full(fd, pieces, count, position);

	return error ? fail(pack->report, error, position, "cannot write the layer's %s at offset %llu", what,
			    (unsigned long long)position) :
		       0;
}

/* Append the blocks of a unit that are not zero to the data. */
static int write_blocks(struct pack *pack, const struct unit *unit)
{
	struct iovec pieces[UNIT_BLOCKS];
	int count = 0, error;
	uint64_t bytes;

	if (pack->data_fd < 0) {
		pack->data_bytes += (uint64_t)__builtin_popcount(unit->blocks) * BLOCK_BYTES;
		return 0;
	}
	for (uint32_t block = 0; block < UNIT_BLOCKS; block++)
		if (unit->blocks >> block & 1)
			pieces[count++] = (struct iovec){ unit->bytes + block * BLOCK_BYTES, BLOCK_BYTES };
	bytes = (uint64_t)count * BLOCK_BYTES;
	error = unit->given ? 0 : write_at(pack, pack->data_fd, pieces, count, pack->data_bytes, "data");
	pack->data_bytes += bytes;
	return error;
}

/*
 * Make the data as long as the map says. Units that were given up are holes, and behind the last
 * write there may be some of them.
 */
static int end_data(struct pack *pack)
{
	if (ftruncate(pack->data_fd, (off_t)pack->data_bytes) == 0)
		return 0;
	return fail(pack->report, -errno, pack->data_bytes, "cannot set the size of the layer's data to %llu",
		    (unsigned long long)pack->data_bytes);
}

/* Whether the unit stays in the parent, which has the same bytes. Returns 1, 0, or a negative errno. */
static int is_in_parent(struct pack *pack, const struct unit *unit, uint32_t index)
{
	const struct unit *other = &pack->others.units[index];

	if (unit->skipped)
		return 1;
	if (pack->parent.count == 0 || other->pieces == 0 || memcmp(unit->bytes, other->bytes, UNIT_BYTES))
		return 0;
	if (other->known && memcmp(unit->digest, other->digest, DIGEST_BYTES))
		return fail(pack->report, -EBADMSG, unit->number * UNIT_BYTES,
			    "the parent has other bytes than were packed at offset %llu of the ghost",
			    (unsigned long long)(unit->number * UNIT_BYTES));
	return 1;
}

static int write_records(struct pack *pack, struct iovec *piece)
{
	uint64_t position = LAYER_HEAD_BYTES + pack->records * RECORD_BYTES;

	pack->records += piece->iov_len / RECORD_BYTES;
	blake3_hasher_update(&pack->all_records, piece->iov_base, piece->iov_len);
	return pack->map_fd < 0 ? 0 : write_at(pack, pack->map_fd, piece, 1, position, "map");
}

static int write_units(struct pack *pack)
{
	struct iovec piece = { pack->written, 0 };

	for (uint32_t i = 0; i < pack->units.count; i++) {
		const struct unit *unit = &pack->units.units[i];
		unsigned char *record = pack->written + piece.iov_len;
		int in_parent, error = 0;

		if (!unit->blocks)
			continue;
		in_parent = is_in_parent(pack, unit, i);
		if (in_parent < 0)
			return in_parent;
		if (in_parent)
			pack->report->kept_bytes += (uint64_t)__builtin_popcount(unit->blocks) * BLOCK_BYTES;
		else
			error = write_blocks(pack, unit);
		if (error)
			return error;
		put_le(record, unit->number, 8);
		put_le(record + 8, unit->blocks, 2);
		put_le(record + 10, in_parent ? RECORD_PARENT : RECORD_HERE, 2);
		put_le(record + 12, 0, 4);
		memcpy(record + 16, unit->digest, DIGEST_BYTES);
		piece.iov_len += RECORD_BYTES;
	}
	return piece.iov_len ? write_records(pack, &piece) : 0;
}

static int write_head(struct pack *pack)
{
	unsigned char head[LAYER_HEAD_BYTES];
	struct iovec piece = { head, sizeof(head) };
	int error;

	memcpy(head, LAYER_MAGIC, 8);
	put_le(head + 8, pack->ghost.size, 8);
	put_le(head + 16, pack->records, 8);
	put_le(head + 24, pack->data_bytes, 8);
	error = write_at(pack, pack->map_fd, &piece, 1, 0, "map");
	if (error)
		return error;
	return name_written(pack->map_fd, head, &pack->all_records, pack->name, pack->report);
}

/* Collect units of the ghost that may not be all zero, and the same units of the parent. */
static int collect(struct pack *pack, uint64_t *unit)
{
	int got = 1, error = 0;

	batch_clear(&pack->units);
	batch_clear(&pack->others);
	while (!error && batch_has_room(&pack->units) && batch_has_room(&pack->others)) {
		got = chain_next(&pack->ghost, unit);
		if (got <= 0)
			return got;
		/* Without a parent to compare with, units that the last level has in a parent stay there. */
		error = chain_add(&pack->ghost, *unit, pack->parent.count == 0, &pack->units);
		if (!error && pack->parent.count)
			error = chain_add(&pack->parent, *unit, false, &pack->others);
		++*unit;
	}
	return error;
}

static int pack_units(struct pack *pack)
{
	uint64_t unit = 0;
	int error;

	do {
		if (cancelled(pack->progress))
			return fail(pack->report, -ECANCELED, unit * UNIT_BYTES,
				    "stopped at offset %llu of the ghost",
				    (unsigned long long)(unit * UNIT_BYTES));
		error = collect(pack, &unit);
		if (!error && pack->map_fd >= 0)
			error = batch_read(&pack->units, pack->report);
		if (!error)
			error = batch_read_unchecked(&pack->others, pack->report);
		if (!error)
			error = write_units(pack);
		progress_add(pack->progress, pack->units.count * UNIT_BYTES);
	} while (!error && pack->units.count);
	if (error || pack->map_fd < 0)
		return error;
	error = chain_took_all(&pack->ghost);
	if (!error)
		error = end_data(pack);
	return error ? error : write_head(pack);
}

static int is_empty(struct pack *pack, int fd)
{
	struct stat about;

	if (fstat(fd, &about) < 0)
		return fail(pack->report, -errno, 0, "cannot look at a layer's file");
	if (!S_ISREG(about.st_mode) || about.st_size != 0)
		return fail(pack->report, -EINVAL, 0, "a layer's file is not an empty regular file");
	return 0;
}

static int open_pack(struct pack *pack, const struct gk_level *levels, uint32_t count,
		     const struct gk_level *parent, uint32_t parent_count)
{
	int error = batch_init(&pack->units, pack->report);

	if (!error)
		error = batch_init(&pack->others, pack->report);
	if (!error)
		error = chain_open(&pack->ghost, levels, count, pack->report);
	if (!error && parent_count)
		error = chain_open(&pack->parent, parent, parent_count, pack->report);
	if (!error && pack->map_fd < 0)
		return pack->ghost.levels[0].whole || parent_count ?
			       fail(pack->report, -EINVAL, 0, "only layers can be counted") :
			       0;
	if (!error)
		error = is_empty(pack, pack->map_fd);
	if (!error)
		error = is_empty(pack, pack->data_fd);
	return error;
}

GK_PUBLIC int gk_pack(const struct gk_level *levels, uint32_t count, const struct gk_level *parent,
		      uint32_t parent_count, int map_fd, int data_fd, struct gk_name *name,
		      struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE struct pack *pack = calloc(1, sizeof(*pack));
	int error;

	memset(report, 0, sizeof(*report));
	if (!pack)
		return fail(report, -ENOMEM, 0, "cannot pack a ghost");
	pack->map_fd = map_fd;
	pack->data_fd = data_fd;
	pack->name = name;
	blake3_hasher_init(&pack->all_records);
	pack->report = report;
	pack->progress = progress;
	error = open_pack(pack, levels, count, parent, parent_count);
	if (!error)
		error = pack_units(pack);
	report->size = pack->ghost.size;
	report->data_bytes = pack->data_bytes;
	report->chunks = pack->records;
	report->image_bytes = LAYER_HEAD_BYTES + pack->records * RECORD_BYTES;
	chain_close(&pack->ghost);
	chain_close(&pack->parent);
	batch_free(&pack->units);
	batch_free(&pack->others);
	return error;
}

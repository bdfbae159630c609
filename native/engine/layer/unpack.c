// SPDX-License-Identifier: MIT
/* Puts a ghost together from its layers, as an image or as a file, or only checks that it can be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "copy/copy.h"
#include "layer/place-unit.h"

static uint64_t bytes_of(const struct unit *unit)
{
	return (uint64_t)__builtin_popcount(unit->blocks) * BLOCK_BYTES;
}

/*
 * Count the units of a batch by what the check has found. A check goes on behind a bad unit, and the
 * report keeps the message of the first one.
 */
static void count_checked(struct unpack *unpack)
{
	struct gk_report *report = unpack->report;

	for (uint32_t i = 0; i < unpack->batch.count; i++) {
		const struct unit *unit = &unpack->batch.units[i];

		if (unit->given)
			report->uncompared_bytes += bytes_of(unit);
		else if (unit->skipped)
			report->kept_bytes += bytes_of(unit);
		else if (unit->error)
			report->differing_bytes += bytes_of(unit);
		else
			report->data_bytes += bytes_of(unit);
		unpack->bad += !unit->skipped && unit->error;
	}
}

static int check_units(struct unpack *unpack)
{
	struct gk_report first;
	int error = batch_read(&unpack->batch, unpack->bad ? &first : unpack->report);

	if (error && error != -EBADMSG)
		return error;
	count_checked(unpack);
	return 0;
}

static int write_units(struct unpack *unpack)
{
	int error = batch_read(&unpack->batch, unpack->report);

	for (uint32_t i = 0; !error && i < unpack->batch.count; i++)
		if (unpack->batch.units[i].number >= unpack->first)
			error = write_unit(unpack, &unpack->batch.units[i]);
	return error ? error : flush_pieces(unpack);
}

static int add_unit(struct unpack *unpack, uint64_t unit, bool local)
{
	if (unit >= unpack->first)
		return chain_add(&unpack->chain, unit, local, &unpack->batch);
	chain_pass(&unpack->chain, &unpack->batch);
	return pass_unit(unpack, &unpack->batch.units[unpack->batch.count - 1]);
}

/*
 * Handle the units from *unit on and below last, until most_bytes were written. *unit becomes the
 * first unit that was not handled.
 */
static int unpack_units(struct unpack *unpack, uint64_t last, uint64_t most_bytes, uint64_t *unit)
{
	bool checks = unpack->to < 0, local = checks && unpack->chain.count == 1;
	int got = 1, error = 0;

	while (got > 0 && !error && unpack->written < most_bytes) {
		if (cancelled(unpack->progress))
			return fail(unpack->report, -ECANCELED, *unit * UNIT_BYTES,
				    "stopped at offset %llu of the ghost",
				    (unsigned long long)(*unit * UNIT_BYTES));
		batch_clear(&unpack->batch);
		while (!error && batch_has_room(&unpack->batch)) {
			got = chain_next(&unpack->chain, unit);
			if (got <= 0 || *unit >= last)
				break;
			error = add_unit(unpack, (*unit)++, local);
		}
		if (got < 0)
			return got;
		got = got > 0 && *unit < last;
		if (!error)
			error = checks ? check_units(unpack) : write_units(unpack);
		progress_add(unpack->progress, unpack->batch.count * UNIT_BYTES);
	}
	unpack->ended = got == 0;
	return error;
}

static int prepare(struct unpack *unpack, const void *header, uint64_t header_bytes)
{
	struct iovec piece = { (void *)header, header_bytes };
	struct stat about;
	int error;

	if (fstat(unpack->to, &about) < 0)
		return fail(unpack->report, -errno, 0, "cannot look at the file");
	if (!S_ISREG(about.st_mode) || (about.st_size != 0 && !unpack->first))
		return fail(unpack->report, -EINVAL, 0, "it is not an empty regular file");
	unpack->align = block_size(unpack->to);
	unpack->clones = true;
	if (!unpack->image) {
		if (!unpack->first && ftruncate(unpack->to, (off_t)unpack->chain.size) < 0)
			return fail(unpack->report, -errno, unpack->chain.size,
				    "cannot set the file's size to %llu",
				    (unsigned long long)unpack->chain.size);
		return 0;
	}
	error = runs_open(&unpack->runs, unpack->chain.levels[0].map.fd, unpack->report);
	if (error)
		return error;
	unpack->position = header_bytes;
	if (is_checked(unpack, 0))
		return check_written(unpack, header, header_bytes, 0);
	if (!unpack->first)
		error = writev_full(unpack->to, &piece, 1, 0);
	return error ? fail(unpack->report, error, 0, "cannot write the head of the image") : 0;
}

static struct unpack *new_unpack(int to_fd, uint64_t header_bytes, struct gk_progress *progress,
				 struct gk_report *report)
{
	struct unpack *unpack = calloc(1, sizeof(*unpack));

	memset(report, 0, sizeof(*report));
	if (!unpack)
		return NULL;
	unpack->to = to_fd;
	unpack->image = header_bytes > 0;
	unpack->report = report;
	unpack->progress = progress;
	return unpack;
}

static int open_unpack(struct unpack *unpack, const struct gk_level *levels, uint32_t count)
{
	int error = batch_init(&unpack->batch, unpack->report);

	if (!error)
		error = chain_open(&unpack->chain, levels, count, unpack->report);
	if (!error && unpack->chain.levels[0].whole)
		error = fail(unpack->report, -EINVAL, 0, "the first layer is a whole image");
	return error;
}

static void close_unpack(struct unpack *unpack)
{
	unpack->report->size = unpack->chain.size;
	if (unpack->image)
		unpack->report->image_bytes = unpack->position;
	chain_close(&unpack->chain);
	runs_close(&unpack->runs);
	batch_free(&unpack->batch);
}

GK_PUBLIC int gk_unpack_part(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
			     uint64_t header_bytes, struct gk_part *part, struct gk_progress *progress,
			     struct gk_report *report)
{
	AUTO_FREE struct unpack *unpack = new_unpack(to_fd, header_bytes, progress, report);
	uint64_t unit = 0;
	int error;

	if (!unpack)
		return fail(report, -ENOMEM, 0, "cannot put a ghost together");
	unpack->first = part->first;
	unpack->check_first = part->check > 0;
	unpack->check_from = part->check ? part->check - 1 : 0;
	error = open_unpack(unpack, levels, count);
	if (!error)
		error = prepare(unpack, header, header_bytes);
	if (!error)
		error = unpack_units(unpack, part->check ? part->first : UINT64_MAX, part->most_bytes, &unit);
	if (!error && unpack->ended && !part->check && unpack->run_left)
		error = fail(report, -EBADMSG, 0, "the map was changed while it was read");
	part->next = unit;
	part->done = unpack->ended;
	close_unpack(unpack);
	return error;
}

GK_PUBLIC int gk_unpack(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
			uint64_t header_bytes, struct gk_progress *progress, struct gk_report *report)
{
	struct gk_part all = { .most_bytes = UINT64_MAX };

	return gk_unpack_part(levels, count, to_fd, header, header_bytes, &all, progress, report);
}

GK_PUBLIC int gk_check_layer(const struct gk_level *levels, uint32_t count, struct gk_progress *progress,
			     struct gk_report *report)
{
	AUTO_FREE struct unpack *unpack = new_unpack(-1, 0, progress, report);
	char first[GK_MESSAGE_BYTES];
	uint64_t unit = 0;
	int error;

	if (!unpack)
		return fail(report, -ENOMEM, 0, "cannot check a layer");
	error = open_unpack(unpack, levels, count);
	unpack->chain.tolerates = true;
	if (!error)
		error = unpack_units(unpack, UINT64_MAX, UINT64_MAX, &unit);
	if (!error && unpack->bad) {
		memcpy(first, report->message, sizeof(first));
		error = -EBADMSG;
		if (unpack->bad > 1)
			snprintf(report->message, sizeof(report->message),
				 "%llu units of 64 KiB are bad; the first: %.160s",
				 (unsigned long long)unpack->bad, first);
	}
	close_unpack(unpack);
	return error;
}

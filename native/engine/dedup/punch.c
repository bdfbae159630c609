// SPDX-License-Identifier: MIT
/* Frees the blocks of units that a layer has given up. The record decides, so it must be on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "layer/chain.h"

struct punch {
	struct chain chain;
	uint64_t at, length; /* units that follow each other in the data, and are not punched yet */
	struct gk_report *report;
};

static int punch_hole(struct punch *punch)
{
	int data_fd = punch->chain.levels[0].data_fd, error = 0;

	if (!punch->length)
		return 0;
	while (fallocate(data_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)punch->at,
			 (off_t)punch->length) < 0)
		if (errno != EINTR) {
			error = errno;
			break;
		}
	if (error)
		return fail(punch->report, -error, punch->at,
			    "cannot punch a hole at offset %llu of the data", (unsigned long long)punch->at);
	punch->report->chunks++;
	punch->report->data_bytes += punch->length;
	punch->length = 0;
	return 0;
}

/*
 * Find out whether the file system can punch holes, by one behind the end of the data, where nothing
 * can be lost.
 */
static int try_behind_end(struct punch *punch)
{
	int error;

	punch->at = punch->chain.levels[0].map.data_bytes;
	punch->length = UNIT_BYTES;
	error = punch_hole(punch);
	punch->report->chunks = punch->report->data_bytes = punch->at = 0;
	return error;
}

static int punch_all(struct punch *punch, struct gk_progress *progress)
{
	struct level *level = &punch->chain.levels[0];
	const struct record *record = &level->map.current;
	uint64_t bytes;
	int error = 0, given;

	for (; !error && !level->map.ended; error = map_step(&level->map)) {
		if (cancelled(progress))
			return fail(punch->report, -ECANCELED, record->position,
				    "stopped at offset %llu of the data",
				    (unsigned long long)record->position);
		if (record->where != RECORD_HERE)
			continue;
		given = given_has(&level->given, record->unit);
		if (given < 0)
			return given;
		bytes = (uint64_t)__builtin_popcount(record->blocks) * BLOCK_BYTES;
		progress_add(progress, bytes);
		if (!given || punch->at + punch->length != record->position) {
			error = punch_hole(punch);
			punch->at = record->position;
		}
		if (error)
			break;
		if (given)
			punch->length += bytes;
	}
	return error ? error : punch_hole(punch);
}

GK_PUBLIC int gk_punch(const struct gk_level *level, struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE struct punch *punch = calloc(1, sizeof(*punch));
	int error;

	memset(report, 0, sizeof(*report));
	if (!punch)
		return fail(report, -ENOMEM, 0, "cannot free what was given up");
	punch->report = report;
	error = chain_open(&punch->chain, level, 1, report);
	if (!error && punch->chain.levels[0].whole)
		error = fail(report, -EINVAL, 0, "an image has nothing to give up");
	if (!error)
		error = try_behind_end(punch);
	if (!error)
		error = punch_all(punch, progress);
	chain_close(&punch->chain);
	return error;
}

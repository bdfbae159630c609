// SPDX-License-Identifier: MIT
/* The walk: it chooses the engine, goes on with the next when one gives up, merges and clips. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/report.h"
#include "map/auto.h"
#include "map/fiemap.h"
#include "map/read.h"
#include "map/seek.h"
#include "map/walk.h"

GK_PUBLIC int gk_extents(int fd, uint32_t engine, uint64_t size, uint64_t start, struct gk_extent *extents,
			 uint32_t capacity, uint32_t *count, uint64_t *next, struct gk_report *report)
{
	struct walk walk;
	int got;

	memset(report, 0, sizeof(*report));
	report->size = size;
	*count = 0;
	*next = start;
	if (capacity == 0)
		return fail(report, -EINVAL, 0, "cannot list extents into no room");
	got = walk_open(&walk, fd, engine, size, start);
	if (got < 0)
		return fail(report, got, start, "cannot look for extents with engine %u in %llu bytes",
			    engine, (unsigned long long)size);

	got = 1;
	while (*count < capacity && (got = walk_next(&walk, &extents[*count])) > 0) {
		struct gk_extent *found = &extents[(*count)++];

		*next = found->offset + found->length;
		if (found->kind == GK_EXTENT_DATA) {
			report->data_bytes += found->length;
			report->chunks++;
		} else {
			report->unwritten_bytes += found->length;
		}
	}
	if (got == 0)
		*next = size;
	report->engine = walk.engine;
	report->fallbacks = walk.fallbacks;
	if (got < 0)
		fail(report, got, walk.pos, "cannot find the extents after offset %llu",
		     (unsigned long long)walk.pos);
	else
		snprintf(report->message, sizeof(report->message), "%s", walk.why);
	walk_close(&walk);
	return got < 0 ? got : 0;
}

int walk_open(struct walk *walk, int fd, uint32_t engine, uint64_t size, uint64_t start)
{
	const char *why = "it was asked for";
	int error = 0;

	memset(walk, 0, sizeof(*walk));
	if (size > INT64_MAX || engine > GK_ENGINE_READ)
		return -EINVAL;
	walk->fd = fd;
	walk->engine = engine;
	walk->size = size;
	walk->pos = start;
	walk->read_limit = UINT64_MAX;
	if (engine == GK_ENGINE_AUTO)
		error = choose_engine(fd, &walk->engine, &why);
	snprintf(walk->why, sizeof(walk->why), "%s", why);
	walk->may_read_on = engine == GK_ENGINE_AUTO;
	walk->bounded = engine != GK_ENGINE_READ;
	return error;
}

void walk_close(struct walk *walk)
{
	free(walk->fiemap);
	free(walk->read);
}

static int engine_step(struct walk *walk, struct gk_extent *extent)
{
	switch (walk->engine) {
	case GK_ENGINE_FIEMAP:
		return fiemap_step(walk, extent);
	case GK_ENGINE_SEEK:
		return seek_step(walk, extent);
	default:
		return read_step(walk, extent);
	}
}

/* Go on from pos with the next engine: fiemap → seek → read. */
static void next_engine(struct walk *walk)
{
	static const char *const names[] = { "auto", "fiemap", "seek", "read" };
	size_t used = strlen(walk->why);

	/* strerror would need a shared buffer; %m does not. */
	errno = walk->gave_up_with ? walk->gave_up_with : EOPNOTSUPP;
	snprintf(walk->why + used, sizeof(walk->why) - used, "; %s gave up at offset %llu: %m",
		 names[walk->engine], (unsigned long long)walk->pos);
	walk->gave_up_with = 0;
	walk->engine++;
	walk->fallbacks++;
}

/*
 * Whether the read engine may begin. It finds all data on every file system, but it reads holes, too.
 * A large file that is nearly all hole would take too long, and the caller did not ask for that.
 * Returns 0 or a negative errno.
 */
static int may_read(struct walk *walk)
{
	struct stat about;
	uint64_t allocated;

	walk->bounded = false;
	if (fstat(walk->fd, &about) < 0)
		return -errno;
	allocated = (uint64_t)about.st_blocks * 512;
	return walk->size - walk->pos > allocated && walk->size - walk->pos - allocated > GK_READ_HOLES_MAX ?
		       -EOVERFLOW :
		       0;
}

/* Give one unmerged extent from the first engine that can tell. */
static int next_piece(struct walk *walk, struct gk_extent *extent)
{
	while (walk->pos < walk->size) {
		int got = walk->engine == GK_ENGINE_READ && walk->bounded ? may_read(walk) : 0;

		if (got)
			return got;
		got = engine_step(walk, extent);
		if (got != -EOPNOTSUPP || walk->engine == GK_ENGINE_READ)
			return got;
		next_engine(walk);
	}
	return 0;
}

int walk_next(struct walk *walk, struct gk_extent *extent)
{
	struct gk_extent piece;
	int got;

	if (walk->has_waiting) {
		*extent = walk->waiting;
		walk->has_waiting = false;
	} else {
		got = next_piece(walk, extent);
		if (got <= 0)
			return got;
	}
	while (walk->engine != GK_ENGINE_READ || extent->length < walk->read_limit) {
		got = next_piece(walk, &piece);
		if (got < 0)
			return got;
		if (got == 0)
			break;
		if (piece.kind != extent->kind || piece.offset != extent->offset + extent->length) {
			walk->waiting = piece;
			walk->has_waiting = true;
			break;
		}
		extent->length += piece.length;
		extent->flags |= piece.flags;
	}
	return 1;
}

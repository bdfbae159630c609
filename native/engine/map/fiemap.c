// SPDX-License-Identifier: MIT
/*
 * Asks FS_IOC_FIEMAP for 512 extents a call, without FIEMAP_FLAG_SYNC: that would force dirty data
 * to disk, which costs up to 70 µs an extent. Without it the map can be wrong about dirty pages.
 * lseek(2) sees the page cache and decides there: inside unwritten extents, and also inside gaps
 * where the file system's map hides dirty data. Source: Documentation/filesystems/fiemap.rst.
 *
 * We trust no answer that would make us skip bytes or loop forever.
 */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "map/auto.h"
#include "map/fiemap.h"
#include "map/read.h"
#include "map/seek.h"

#define BATCH 512

struct fiemap_state {
	uint64_t asked_to;  /* the map below this offset is known */
	uint32_t next;	    /* index in the batch */
	bool gaps_show_all; /* lseek need not be asked about gaps */
	bool may_trust_gaps;
	/* [walk->pos, doubt_end) is unwritten or a gap; lseek decides what is in it. */
	uint64_t doubt_end;
	uint32_t doubt_flags;	/* has FIEMAP_EXTENT_UNWRITTEN for an unwritten extent, and not for a gap */
	uint64_t no_data_until; /* lseek said that there is no data before this offset */
	uint64_t data_until;	/* lseek said that there is data up to this offset */
	struct fiemap map;	/* room for BATCH extents follows it */
};

static uint64_t end_of(const struct fiemap_extent *fe)
{
	uint64_t end;

	return __builtin_add_overflow(fe->fe_logical, fe->fe_length, &end) ? UINT64_MAX : end;
}

static bool is_unwritten(uint32_t flags)
{
	/* An extent without a known place on disk has its data in memory only. */
	return (flags & FIEMAP_EXTENT_UNWRITTEN) &&
	       !(flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC));
}

static int map_error(struct walk *walk, int error)
{
	walk->gave_up_with = error;
	switch (error) {
	case EOPNOTSUPP:
	case ENOTTY:
	case EBADR:
	case EINVAL:
	case ENOSYS:
	case EFBIG:
		return -EOPNOTSUPP;
	}
	return -error;
}

/*
 * Extents may overlap, start before the range that was asked for or pass its end: clipping handles
 * that. They must not go backwards, because earlier ranges are answered already.
 */
static bool batch_makes_sense(const struct fiemap_state *state)
{
	const struct fiemap_extent *extents = state->map.fm_extents;
	uint32_t i;

	if (state->map.fm_mapped_extents > BATCH)
		return false;
	for (i = 1; i < state->map.fm_mapped_extents; i++)
		if (extents[i].fe_logical < extents[i - 1].fe_logical)
			return false;
	return true;
}

static int ask(struct walk *walk)
{
	struct fiemap_state *state = walk->fiemap;
	uint64_t known = state->asked_to;
	uint32_t i;
	int done;

	memset(&state->map, 0, sizeof(state->map));
	state->map.fm_start = known;
	state->map.fm_length = walk->size - known;
	state->map.fm_extent_count = BATCH;
	state->next = 0;
	do
		done = ioctl(walk->fd, FS_IOC_FIEMAP, &state->map);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return map_error(walk, errno);
	if (!batch_makes_sense(state))
		return -EOPNOTSUPP;
	for (i = 0; i < state->map.fm_mapped_extents; i++)
		if (end_of(&state->map.fm_extents[i]) > known)
			known = end_of(&state->map.fm_extents[i]);
	/*
	 * FIEMAP_EXTENT_LAST is ignored, because it can mark just the end of the range that was
	 * asked for. An empty answer means that no extents follow. An answer without progress is
	 * nonsense.
	 */
	if (state->map.fm_mapped_extents == 0)
		known = walk->size;
	else if (known == state->asked_to)
		return -EOPNOTSUPP;
	state->asked_to = known;
	return 0;
}

/* Go on behind [from, to), which has no data. Returns 1 for an unwritten extent, 0 for a gap. */
static int pass_empty(struct walk *walk, uint64_t from, uint64_t to, struct gk_extent *extent)
{
	struct fiemap_state *state = walk->fiemap;

	walk->pos = to;
	*extent = (struct gk_extent){ from, to - from, GK_EXTENT_UNWRITTEN, state->doubt_flags };
	return (state->doubt_flags & FIEMAP_EXTENT_UNWRITTEN) != 0;
}

/*
 * Test for zero what lseek calls data in a range of doubt. lseek takes every cached page for data,
 * and a page that was only read may be zero.
 */
static int test_cached(struct walk *walk, uint64_t limit, struct gk_extent *extent)
{
	uint64_t from = walk->pos;
	int got = read_blocks(walk, limit, extent);

	if (got < 0)
		return got;
	if (got == 0)
		return pass_empty(walk, from, limit, extent);
	if (extent->offset > from) /* the data comes with the next call; its window is still in memory */
		return pass_empty(walk, from, extent->offset, extent);
	extent->flags = walk->fiemap->doubt_flags;
	return 1;
}

/*
 * Find out what is at the beginning of [pos, doubt_end). Returns 1 for an extent, 0 to go on, or a
 * negative errno.
 */
static int settle(struct walk *walk, struct gk_extent *extent)
{
	struct fiemap_state *state = walk->fiemap;
	bool gap = !(state->doubt_flags & FIEMAP_EXTENT_UNWRITTEN);
	uint64_t end = state->doubt_end;
	int error;

	if (walk->pos >= state->data_until && walk->pos >= state->no_data_until) {
		error = seek_data(walk->fd, walk->pos, &state->no_data_until);
		if (!error && walk->pos == state->no_data_until)
			error = seek_hole(walk->fd, walk->pos, &state->data_until);
		if (error)
			return error;
	}
	if (walk->pos < state->no_data_until) {
		/*
		 * lseek has found no data in the whole gap. On a file system whose map shows all
		 * dirty data (ext4) one such answer is enough, so lseek is not asked about later gaps.
		 */
		if (gap && state->no_data_until >= end && state->may_trust_gaps)
			state->gaps_show_all = true;
		return pass_empty(walk, walk->pos, state->no_data_until < end ? state->no_data_until : end,
				  extent);
	}
	if (gap)
		state->may_trust_gaps = false;
	return test_cached(walk, state->data_until < end ? state->data_until : end, extent);
}

static void doubt(struct walk *walk, uint64_t end, uint32_t flags)
{
	struct fiemap_state *state = walk->fiemap;

	if (!(flags & FIEMAP_EXTENT_UNWRITTEN) && state->gaps_show_all) {
		walk->pos = end;
		return;
	}
	state->doubt_end = end;
	state->doubt_flags = flags;
}

static int open_state(struct walk *walk)
{
	struct fiemap_state *state = calloc(1, sizeof(*state) + BATCH * sizeof(struct fiemap_extent));

	if (!state)
		return -ENOMEM;
	state->asked_to = walk->pos;
	state->doubt_end = walk->pos;
	state->may_trust_gaps = maps_show_dirty_holes(walk->fd);
	walk->fiemap = state;
	return 0;
}

int fiemap_step(struct walk *walk, struct gk_extent *extent)
{
	int got = walk->fiemap ? 0 : open_state(walk);
	struct fiemap_state *state = walk->fiemap;

	while (got == 0 && walk->pos < walk->size) {
		const struct fiemap_extent *fe;
		uint64_t end;

		if (walk->pos < state->doubt_end) {
			got = settle(walk, extent);
			continue;
		}
		if (state->next == state->map.fm_mapped_extents) {
			if (state->asked_to < walk->size)
				got = ask(walk);
			else
				doubt(walk, walk->size, 0);
			continue;
		}
		fe = &state->map.fm_extents[state->next];
		if (fe->fe_logical > walk->pos) {
			doubt(walk, fe->fe_logical < walk->size ? fe->fe_logical : walk->size, 0);
			continue;
		}
		state->next++;
		end = end_of(fe) < walk->size ? end_of(fe) : walk->size;
		if (end <= walk->pos)
			continue;
		if (is_unwritten(fe->fe_flags)) {
			doubt(walk, end, fe->fe_flags & ~(uint32_t)FIEMAP_EXTENT_LAST);
			continue;
		}
		*extent = (struct gk_extent){ walk->pos, end - walk->pos, GK_EXTENT_DATA,
					      fe->fe_flags & ~(uint32_t)FIEMAP_EXTENT_LAST };
		walk->pos = end;
		got = 1;
	}
	return got;
}

/* SPDX-License-Identifier: MIT */
/*
 * The state of a walk over the extents of one file, from one offset upwards.
 *
 * Each engine is one step function, in fiemap.h, seek.h and read.h. It answers for a range that
 * begins at walk->pos, moves pos to the end of that range, and returns
 *   1  an extent inside that range was found (in *extent)
 *   0  there is nothing more below walk->size
 *  -EOPNOTSUPP  it cannot tell from pos on, and the next engine has to
 *  any other negative errno: the file cannot be read
 *
 * Engines pass on nothing but pos to each other. So an engine may give up in the middle of a file,
 * and no range is lost or given twice.
 */
#ifndef GK_WALK_STATE_H
#define GK_WALK_STATE_H

#include <stdbool.h>

#include "ghostkeep.h"

struct fiemap_state;
struct read_state;

struct walk {
	int fd;
	uint32_t engine; /* the engine in use now */
	uint32_t fallbacks;
	uint64_t size;
	uint64_t pos;		      /* everything below it has been answered */
	uint64_t read_limit;	      /* the read engine's extents are not merged beyond this length */
	struct gk_progress *progress; /* may be NULL; only cancel is read */
	bool stop;		      /* set by another thread: the rest is not needed any more */
	struct fiemap_state *fiemap;  /* made at first use */
	struct read_state *read;      /* made at first use */
	char why[160];		      /* why this engine is used; grows when one gives up */
	int gave_up_with;	      /* errno of the step that could not tell; 0: its answer was nonsense */
	/*
	 * Set with GK_ENGINE_AUTO: where extents are small, seek may read, which is faster than
	 * asking.
	 */
	bool may_read_on;
	uint64_t read_until;  /* seek reads up to here */
	uint64_t probe_start; /* from this offset on, probe_extents extents were found by asking */
	uint32_t probe_extents;
	bool bounded;		  /* no caller asked for read by name, so GK_READ_HOLES_MAX holds */
	struct gk_extent waiting; /* found while merging, and not given out yet */
	bool has_waiting;
};

static inline bool stopped(struct walk *walk)
{
	return __atomic_load_n(&walk->stop, __ATOMIC_RELAXED);
}

#endif

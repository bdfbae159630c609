/* SPDX-License-Identifier: MIT */
/*
 * Where a walk over the extents of one file has come to; it goes from one offset upwards.
 *
 * Each engine is one step function, in fiemap.h, seek.h and read.h. It answers for a range that begins at
 * walk->pos, moves pos to the end of what it has answered for, and returns
 *   1  an extent inside that range was found (in *extent)
 *   0  there is nothing more below walk->size
 *  -EOPNOTSUPP  it cannot tell, from pos on: the next engine has to
 *  any other negative errno: the file cannot be read
 * Because pos is all that engines hand on to each other, one may give up in
 * the middle of a file and no range is lost or told twice.
 */
#ifndef GK_WALK_STATE_H
#define GK_WALK_STATE_H

#include <stdbool.h>

#include "ghostkeep.h"

struct fiemap_state;
struct read_state;

struct walk {
	int fd;
	uint32_t engine; /* the one in use now */
	uint32_t fallbacks;
	uint64_t size;
	uint64_t pos;		      /* everything below it is answered */
	uint64_t read_limit;	      /* what the read engine finds is merged no further */
	struct gk_progress *progress; /* may be NULL; asked for cancel only */
	bool stop;		      /* set by another thread: nobody wants what would be found next */
	struct fiemap_state *fiemap;  /* made at first use */
	struct read_state *read;      /* made at first use */
	char why[160];		      /* this engine, in words; grows when one gives up */
	int gave_up_with;	      /* errno of the step that could not tell, 0: its answer was nonsense */
	bool may_read_on;     /* auto's seek: where extents are small, reading is faster than asking */
	uint64_t read_until;  /* and it does so up to here */
	uint64_t probe_start; /* since there, so many extents were asked for */
	uint32_t probe_extents;
	bool bounded;		  /* reading holes was nobody's wish: GK_READ_HOLES_MAX */
	struct gk_extent waiting; /* found while merging, not yet given out */
	bool has_waiting;
};

static inline bool stopped(struct walk *walk)
{
	return __atomic_load_n(&walk->stop, __ATOMIC_RELAXED);
}

#endif

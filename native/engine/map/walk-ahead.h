/* SPDX-License-Identifier: MIT */
/*
 * A walk that goes on while its caller copies: from some hundred extents on they are
 * found on a thread of their own. Order, extents and errors are walk_next()'s.
 */
#ifndef GK_WALK_AHEAD_H
#define GK_WALK_AHEAD_H

#include "map/walk.h"

struct walk_ahead {
	struct walk *walk;	    /* nobody else's from the first call to walk_ahead_end() */
	uint32_t engine;	    /* which found the extent that was given out last */
	uint32_t alone;		    /* extents found without a thread */
	struct walk_thread *thread; /* NULL: none yet */
};

/* The next extent: 1, 0 at the end, or a negative errno. */
int walk_ahead_next(struct walk_ahead *ahead, struct gk_extent *extent);

/* End the thread, if there is one; its last read has to come back. The walk is the caller's again. */
void walk_ahead_end(struct walk_ahead *ahead);

#endif

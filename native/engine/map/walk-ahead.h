/* SPDX-License-Identifier: MIT */
/*
 * A walk that goes on while its caller copies. After some hundred extents, a thread of its own
 * finds the next ones. Order, extents and errors are the same as walk_next()'s.
 */
#ifndef GK_WALK_AHEAD_H
#define GK_WALK_AHEAD_H

#include "map/walk.h"

struct walk_ahead {
	struct walk *walk;	    /* nobody else may use it between the first call and walk_ahead_end() */
	uint32_t engine;	    /* the engine that found the extent given out last */
	uint32_t alone;		    /* extents found without a thread */
	struct walk_thread *thread; /* NULL: not started */
};

/* Give the next extent. Returns 1, 0 at the end, or a negative errno. */
int walk_ahead_next(struct walk_ahead *ahead, struct gk_extent *extent);

/*
 * End the thread, if there is one, after its last read has returned. The walk belongs to the caller
 * again.
 */
void walk_ahead_end(struct walk_ahead *ahead);

#endif

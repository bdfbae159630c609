/* SPDX-License-Identifier: MIT */
/*
 * A walk over the extents of one file, from one offset upwards.
 *
 * Each engine is one step function. It answers for a range that begins at
 * walk->pos, moves pos to the end of what it has answered for, and returns
 *   1  an extent inside that range was found (in *extent)
 *   0  there is nothing more below walk->size
 *  -EOPNOTSUPP  it cannot tell, from pos on: the next engine has to
 *  any other negative errno: the file cannot be read
 * Because pos is all that engines hand on to each other, one may give up in
 * the middle of a file and no range is lost or told twice.
 */
#ifndef GK_WALK_H
#define GK_WALK_H

#include <stdbool.h>

#include "ghostkeep.h"

struct fiemap_state;
struct read_state;

struct walk {
	int fd;
	uint32_t engine;		/* the one in use now */
	uint32_t fallbacks;
	uint64_t size;
	uint64_t pos;			/* everything below it is answered */
	uint64_t read_limit;		/* what the read engine finds is merged no further */
	struct gk_progress *progress;	/* may be NULL; asked for cancel only */
	bool stop;			/* set by another thread: nobody wants what would be found next */
	struct fiemap_state *fiemap;	/* made at first use */
	struct read_state *read;	/* made at first use */
	char why[160];			/* this engine, in words; grows when one gives up */
	int gave_up_with;		/* errno of the step that could not tell, 0: its answer was nonsense */
	bool may_read_on;		/* auto's seek: where extents are small, reading is faster than asking */
	uint64_t read_until;		/* and it does so up to here */
	uint64_t probe_start;		/* since there, so many extents were asked for */
	uint32_t probe_extents;
	bool bounded;			/* reading holes was nobody's wish: GK_READ_HOLES_MAX */
	struct gk_extent waiting;	/* found while merging, not yet given out */
	bool has_waiting;
};

static inline bool stopped(struct walk *walk)
{
	return __atomic_load_n(&walk->stop, __ATOMIC_RELAXED);
}

int walk_open(struct walk *walk, int fd, uint32_t engine, uint64_t size,
	      uint64_t start);

/* The next extent, merged and clipped: 1, 0 at the end, or a negative errno. */
int walk_next(struct walk *walk, struct gk_extent *extent);

void walk_close(struct walk *walk);

int fiemap_step(struct walk *walk, struct gk_extent *extent);
int seek_step(struct walk *walk, struct gk_extent *extent);
int read_step(struct walk *walk, struct gk_extent *extent);

/*
 * The part of the read engine that others use where they doubt: the next
 * blocks in [pos, limit) that are not zero. 1, or 0 with pos at the limit.
 */
int read_blocks(struct walk *walk, uint64_t limit, struct gk_extent *extent);

/*
 * Where data begins at or after offset, and where it ends, as lseek(2) sees
 * it, page cache included. Both may be far past the size: nothing from here on.
 * 0, -EOPNOTSUPP when this file system cannot say or talks nonsense, or a
 * negative errno.
 */
int seek_data(int fd, uint64_t offset, uint64_t *data);
int seek_hole(int fd, uint64_t offset, uint64_t *hole);

/* The engine that is safe, and among those fastest, on the file's file system. */
int choose_engine(int fd, uint32_t *engine, const char **why);

/* Whether a file system's extent map shows all dirty data outside unwritten extents. */
bool maps_show_dirty_holes(int fd);

#endif

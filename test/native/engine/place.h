/* SPDX-License-Identifier: MIT */
/* The file systems that cases run on. */
#ifndef TEST_PLACE_H
#define TEST_PLACE_H

#include <stdbool.h>

struct place {
	const char *name;	/* tmpfs, cwd, xfs, btrfs */
	char folder[64];
	bool usable;
	bool mounted;
	char why_not[160];
};

enum { TMPFS, CWD, XFS, BTRFS, PLACES };

extern struct place places[PLACES];

void prepare_places(void);

/* Unmounts and removes all of them. */
void leave_places(void);

/* A new file without a name. Ends the run when there can be none. */
int ghost_in(const struct place *place);

#endif

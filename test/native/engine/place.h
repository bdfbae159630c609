/* SPDX-License-Identifier: MIT */
/* The file systems that cases run on. */
#ifndef TEST_PLACE_H
#define TEST_PLACE_H

#include <stdbool.h>

struct place {
	const char *name; /* tmpfs, cwd, xfs, btrfs, or as --name says */
	char folder[200];
	char images[200]; /* where images and restored files go: folder, if nothing was said */
	char lower[200];  /* of an overlay on folder: ghosts begin their life there */
	bool copy_up;	  /* and are opened for writing through folder */
	bool usable;
	bool mounted;
	bool knows_holes; /* lseek(2) tells holes from data */
	bool has_map;	  /* FS_IOC_FIEMAP answers */
	char why_not[160];
};

enum {
	TMPFS,
	CWD,
	XFS,
	BTRFS,
	PLACES
};

extern struct place places[PLACES];

void prepare_places(void);

/* Unmounts and removes all places. */
void leave_places(void);

/*
 * A directory that the caller prepared and cleans up. images and lower may be
 * NULL.
 */
void prepare_directory(struct place *place, const char *name, const char *folder, const char *images,
		       const char *lower, bool copy_up);

/*
 * Makes a new file, which has no name after seen() was called. Ends the run if
 * no file can be made.
 */
int ghost_in(const struct place *place);

/*
 * Gives the descriptor through which the holder of a ghost would read it. That
 * is FD itself, except for a file in a lower layer: that one is opened for
 * reading through the overlay.
 */
int seen(const struct place *place, int fd);

/* Makes a new file without a name, beside the ghosts. */
int scratch_in(const struct place *place);

/* The same in the place for images and restored files. */
int image_in(const struct place *place);

/* Makes such a file in memory, for F_ADD_SEALS. */
int image_to_seal(void);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_RELEASE_H
#define GHOSTKEEP_BASES_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

/* LOOK_S, the seconds that a look or the removal of one base may take, comes from the Makefile. */

struct bases {
	unsigned int count;
	uint64_t bytes;	     /* how much the bases take on the disk */
	uint64_t free_bytes; /* how much is free on the disk for users other than root */
	bool lacks_inodes;   /* hardly any file can be made on the disk */
	bool has_journal;    /* the journal of a dump that is not sealed lies there */
};

/*
 * Look at the bases in IMAGES/ghostkeep, and also at those that a pre-dump is still writing:
 * src/image/layout.ts has the names of both. A base that a dump has taken over has another name. Returns
 * 0 or a negative errno: -ENOENT where the folder is gone, -EPERM where others may write to it.
 */
int bases_look(const char *images, struct bases *bases);

/*
 * Remove the bases, except those that somebody has locked (src/flows/bases/base-file.ts). Returns how
 * many were removed, or a negative errno.
 */
int bases_release(const char *images);

#endif

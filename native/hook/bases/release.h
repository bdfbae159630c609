/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_RELEASE_H
#define GHOSTKEEP_BASES_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

struct bases {
	unsigned int count;
	uint64_t bytes;	     /* that they take on the disk */
	uint64_t free_bytes; /* for users other than root */
	bool lacks_inodes;   /* hardly any file can be made there */
	bool has_journal;    /* of a dump that is not sealed */
};

/*
 * Look at the bases in IMAGES/ghostkeep, also at those that a round is still at work on:
 * src/image/layout.ts has their names. A base that a dump has taken over has another name. Returns 0,
 * or a negative errno where the folder is gone, or not ours alone.
 */
int bases_look(const char *images, struct bases *bases);

/*
 * Remove them, except those that somebody has locked: src/flows/bases/base-file.ts. Returns how
 * many were removed, or a negative errno.
 */
int bases_release(const char *images);

#endif

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
};

/*
 * Look at the bases in IMAGES/ghostkeep that have their name: src/image/layout.ts. Those that a
 * round or a dump works on have another. Returns 0, or a negative errno where the folder is gone,
 * or not ours alone.
 */
int bases_look(const char *images, struct bases *bases);

/*
 * Remove them, except those that somebody has locked: src/flows/bases/base-file.ts. Returns how
 * many were removed, or a negative errno.
 */
int bases_release(const char *images);

#endif

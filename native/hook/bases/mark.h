/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_MARK_H
#define GHOSTKEEP_BASES_MARK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The newest process that watches a folder has made the file MARK. An earlier one finds another file
 * there and ends. So each round can reserve its own room, and nobody waits for a process that hangs.
 *
 * Returns a descriptor to keep open, so that no other file gets this inode number. It is locked as
 * long as one of its copies is open, so that everybody can tell whether somebody watches. Whoever
 * finds the mark without a lock starts such a process again, with the LEAST and the IMAGES that are
 * in it: src/flows/bases/watch-room.ts. Returns -1 if no such file can be made. Then we watch all the
 * same: two at work do no harm.
 */
int mark_take(const char *mark, const char *images, uint64_t least);

/* A mark that is gone was removed by somebody who does not watch. */
bool mark_is_newest(const char *mark, int fd);

#endif

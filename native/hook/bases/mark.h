/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_MARK_H
#define GHOSTKEEP_BASES_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "starter.h"

/*
 * Make the file MARK, which belongs to the newest watcher of a folder. An earlier watcher finds that
 * MARK is another file than its own, and ends. So each round of a pre-dump can reserve its own room,
 * and nobody waits for a watcher that hangs.
 *
 * Returns a descriptor of the file. The watcher keeps it open, so that no other file gets this inode
 * number. The file is locked as long as a copy of the descriptor is open, so that everybody can tell
 * whether somebody watches. A program that finds MARK without a lock starts a watcher again, with
 * LEAST, the pid and the start time of the first starter, and IMAGES, which are in the file:
 * src/flows/bases/watch-room.ts. Returns -1 if the file cannot be made. The watcher then works all the
 * same, because two watchers at work do no harm.
 */
int mark_take(const char *mark, const char *images, uint64_t least, const struct starter *starter);

/*
 * Whether MARK is still the file of fd. It also returns true if MARK is gone, because then somebody who
 * does not watch has removed it, or if it cannot be looked at.
 */
bool mark_is_newest(const char *mark, int fd);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_LOOK_AFTER_H
#define GHOSTKEEP_BASES_LOOK_AFTER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "starter.h"

#define MOST_MS 1000

struct charge {
	const char *images;
	uint64_t least; /* bytes that must stay free */
	const char *mark;
	int mark_fd;
	struct starter starter;
	sigset_t ending;
};

/*
 * Watch until there are no bases and the starter has ended, or until another process watches them.
 * A signal of `ending`, which the caller has blocked, ends the bases, too. SIGALRM ends this process
 * where the disk does not answer for LOOK_S.
 */
void look_after(const struct charge *charge);

/* Returns true if a signal of `ending` has come. */
bool sleep_ms(uint64_t ms, const sigset_t *ending);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_LOOK_AFTER_H
#define GHOSTKEEP_BASES_LOOK_AFTER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* A look at a file server that is dead ends the process that looks. */
#define LOOK_S 30
#define MOST_MS 1000

struct charge {
	const char *images;
	uint64_t least; /* bytes that stay free */
	const char *mark;
	int mark_fd;
	int starter; /* a pidfd, or -1 if the process has ended */
	sigset_t ending;
};

/*
 * Watch until there are no bases and the starter has ended, or until another process watches them.
 * A signal of `ending`, which the caller has blocked, ends the bases, too. SIGALRM ends this process
 * where the disk does not answer.
 */
void look_after(const struct charge *charge);

/* Returns true if a signal of `ending` has come. */
bool sleep_ms(uint64_t ms, const sigset_t *ending);

#endif

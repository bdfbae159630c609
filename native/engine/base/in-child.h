/* SPDX-License-Identifier: MIT */
/* Work in a child process, which a deadline can end even in a call that never returns. */
#ifndef GK_IN_CHILD_H
#define GK_IN_CHILD_H

#include <sys/types.h>

struct child {
	pid_t pid;
	int pid_fd;
};

/*
 * Start a child that calls work(about) and ends. The child has been forked from a process with threads, so
 * work only makes system calls, and its descriptors are closed. It leaves its results in shared memory.
 * Returns 0, and then the caller calls child_end; or a negative errno.
 */
int child_start(struct child *child, void (*work)(void *about), void *about);

/* Wait at most wait_ms for the end of the child. Returns 0 if it still runs. */
int child_has_ended(const struct child *child, int wait_ms);

/* Kill the child. If it cannot end yet, init reaps it after this process has ended. */
void child_end(struct child *child);

#endif

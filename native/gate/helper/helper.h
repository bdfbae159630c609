/* SPDX-License-Identifier: MIT */
/* The process `ghostkeep gate`, from its start to its end. */
#ifndef GATE_HELPER_H
#define GATE_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "criu-plugin-abi.h"
#include "helper/channel.h"

struct helper {
	bool running; /* if this is false, no other field but `silent` has a meaning */
	bool silent;  /* the helper was killed because it sent no line in time */
	pid_t pid;
	int pidfd;
	int error_fd;		  /* its stderr */
	int timeout_ms;		  /* how long the helper may be silent */
	enum criu_log_level loss; /* the level at which a failure of the helper is logged */
	struct channel channel;
};

/* Start `HELPER gate MODE PID`. Returns 0 or a negative errno, which is logged. */
int helper_start(struct helper *helper, const char *mode, int image_dir);

/* Let the helper end by itself for a short time, then kill it as helper_kill does. */
void helper_end(struct helper *helper);

/*
 * Wait a short time for the helper to close its end of the socket, which says that its work is done, and
 * kill it in any case. Nobody waits until it is gone, because the kernel needs 8 ms to take down the
 * memory of Node.js.
 */
void helper_leave(struct helper *helper);

/* Kill the helper at once, and release everything that belongs to it. */
void helper_kill(struct helper *helper);

#endif

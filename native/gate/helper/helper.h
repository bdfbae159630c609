/* SPDX-License-Identifier: MIT */
/* The process `ghostkeep gate`, from its start to its end. */
#ifndef GATE_HELPER_H
#define GATE_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "criu-plugin-abi.h"
#include "helper/channel.h"

struct helper {
	bool running; /* false: the rest is meaningless, but silent */
	bool silent;  /* it was killed because it sent no line in time */
	pid_t pid;
	int pidfd;
	int error_fd;		  /* its stderr */
	int timeout_ms;		  /* how long it may say nothing */
	enum criu_log_level loss; /* the log level of a failure of the helper */
	struct channel channel;
};

/* Start HELPER gate MODE: 0 or a negative errno, which is logged. */
int helper_start(struct helper *helper, const char *mode, int image_dir);

/* Let the helper end by itself for a short time, then kill it as helper_kill does. */
void helper_end(struct helper *helper);

/*
 * Wait until the helper closes its end, which says that its work is done, and kill it. The kernel
 * needs 8 ms to take down the memory of Node.js, and so nobody waits for that.
 */
void helper_leave(struct helper *helper);

/* Kill the helper at once, and release everything that belongs to it. */
void helper_kill(struct helper *helper);

#endif

/* SPDX-License-Identifier: MIT */
/* The process `ghostkeep gate`, from its start to its end. */
#ifndef GATE_HELPER_H
#define GATE_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "criu-plugin-abi.h"
#include "helper/channel.h"

struct helper {
	bool running; /* false: the rest is meaningless */
	pid_t pid;
	int pidfd;
	int error_fd;		  /* what it wrote to its stderr */
	int timeout_ms;		  /* how long it may say nothing */
	enum criu_log_level loss; /* what it is when it fails us */
	struct channel channel;
};

/* Start HELPER gate MODE: 0 or a negative errno, which is logged. */
int helper_start(struct helper *helper, const char *mode, int image_dir);

/* Let it end by itself, not for long; then as helper_kill. */
void helper_end(struct helper *helper);

/*
 * Wait until it has nothing left to do, which it says by closing its end, and
 * kill it: taking down the memory of a Node takes 8 ms, and nobody waits for it.
 */
void helper_leave(struct helper *helper);

/* Kill it at once, and let go of everything that belongs to it. */
void helper_kill(struct helper *helper);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_STARTER_H
#define GHOSTKEEP_BASES_STARTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The process that has made or moved the bases, and for which the watcher was started first. If a watcher
 * was killed, another process starts the next one. pid and start are 0 where there is no such process, or
 * where it has ended.
 */
struct starter {
	pid_t pid;
	uint64_t start; /* clock ticks from boot to its start. Source: proc_pid_stat(5), starttime */
	int pidfd;	/* -1: it has ended, or there is none */
};

/*
 * Find the process PID. START tells it from a later process with this pid; where START is 0, PID has to be
 * our parent.
 */
struct starter starter_open(pid_t pid, uint64_t start);

bool starter_lives(const struct starter *starter);

#endif

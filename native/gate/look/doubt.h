/* SPDX-License-Identifier: MIT */
/* This is the result of a first look. */
#ifndef GATE_LOOK_DOUBT_H
#define GATE_LOOK_DOUBT_H

#include <stdbool.h>

#define LOOK_PROCESSES_MAX 1024
#define LOOK_WHY_BYTES 256

/* A look runs in a child process. This lies in memory that both processes share. */
struct look_result {
	bool is_nothing;	  /* there is surely nothing of ours */
	char why[LOOK_WHY_BYTES]; /* else the reason for the doubt */
	int files;		  /* that were looked at */
	int count;		  /* processes that were looked at */
	int pids[LOOK_PROCESSES_MAX];
};

/* Every function of this folder returns 0 if it has no doubt, and DOUBT after a call of doubt(). */
#define DOUBT (-1)

/* Keep the reason, if it is the first one. Returns DOUBT. */
int doubt(struct look_result *result, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

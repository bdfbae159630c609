/* SPDX-License-Identifier: MIT */
/* This is the result of a first look. */
#ifndef GATE_LOOK_DOUBT_H
#define GATE_LOOK_DOUBT_H

#include <stdbool.h>

#define LOOK_PROCESSES_MAX 1024
#define LOOK_WHY_BYTES 256

/* A look runs in a child process. This lies in memory that both processes share. */
struct look_result {
	bool is_nothing;	  /* there is surely nothing for the helper to do */
	char why[LOOK_WHY_BYTES]; /* the reason for the doubt, if is_nothing is false */
	int files;		  /* how many files were looked at */
	int count;		  /* how many processes were looked at; pids has them */
	int pids[LOOK_PROCESSES_MAX];
};

/* Functions of this folder with a look_result return 0 without doubt, and DOUBT after a call of doubt(). */
#define DOUBT (-1)

/* Note a reason for doubt. Only the first one is kept. Returns DOUBT. */
int doubt(struct look_result *result, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* SPDX-License-Identifier: MIT */
/* The whole test harness: a line for each case, and what is wrong below it. */
#ifndef TEST_TAP_H
#define TEST_TAP_H

#include <stdbool.h>

/* Begin a case, named by what it is about and where it runs. */
void begin(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Note what is wrong with the case; the first five times it is printed. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define expect(condition, ...) ((condition) ? true : (wrong(__VA_ARGS__), false))

/* Not run, and why; a failure when CI=true. */
void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The case cannot be made here, and why: no failure, unless something is wrong with it. */
void impossible(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds a remark to the line of the case. */
void remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many things are wrong with the case so far. */
unsigned int how_wrong(void);

/* Close the last case and say how many failed: the exit status. */
int finish(void);

#endif

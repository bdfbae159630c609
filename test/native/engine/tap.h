/* SPDX-License-Identifier: MIT */
/* The whole test harness: it prints a line for each case, and below it what is wrong. */
#ifndef TEST_TAP_H
#define TEST_TAP_H

#include <stdbool.h>

/* Begin a case. The name says what it tests and where it runs. */
void begin(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Note a fault of the case; the first five faults are printed. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define expect(condition, ...) ((condition) ? true : (wrong(__VA_ARGS__), false))

/* Mark the case as not run, with the reason; that is a failure when CI=true. */
void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Mark the case as impossible here, with the reason. That is no failure, unless a fault was noted
 * before.
 */
void impossible(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds a remark to the line of the case. */
void remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns how many faults of the case were noted so far. */
unsigned int how_wrong(void);

/* Close the last case and print how many failed. Returns the exit status. */
int finish(void);

#endif

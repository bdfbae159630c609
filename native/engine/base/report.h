/* SPDX-License-Identifier: MIT */
/* Every call of the library ends with an errno and one line that says where it failed. */
#ifndef GK_REPORT_H
#define GK_REPORT_H

#include "ghostkeep.h"

/* The library is built with hidden visibility, so only functions with this mark are exported. */
#define GK_PUBLIC __attribute__((visibility("default")))

/*
 * Write "<format>: <text of the errno>" and offset into the report. Returns error, a negative
 * errno, so that callers can return it in turn.
 */
int fail(struct gk_report *report, int error, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif

/* SPDX-License-Identifier: MIT */
/* How every call of the library ends: an errno and one line that says where. */
#ifndef GK_REPORT_H
#define GK_REPORT_H

#include "ghostkeep.h"

/* The library is built with hidden visibility: only what carries this is exported. */
#define GK_PUBLIC __attribute__((visibility("default")))

/*
 * Write "<format>: <text of the errno>" and offset into the report.
 * error is a negative errno and comes back, so that callers can return it.
 */
int fail(struct gk_report *report, int error, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif

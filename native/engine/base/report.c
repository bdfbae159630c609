// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/report.h"

GK_PUBLIC uint32_t gk_abi(void)
{
	return GK_ABI << 16 | (uint32_t)sizeof(struct gk_report);
}

int fail(struct gk_report *report, int error, uint64_t offset, const char *format, ...)
{
	size_t room = sizeof(report->message);
	va_list arguments;
	int used;

	va_start(arguments, format);
	used = vsnprintf(report->message, room, format, arguments);
	va_end(arguments);

	if (used >= 0 && (size_t)used < room) {
		/* strerror would need a shared buffer; %m does not. */
		errno = -error;
		snprintf(report->message + used, room - (size_t)used, ": %m");
	}
	report->failed_offset = offset;
	return error;
}

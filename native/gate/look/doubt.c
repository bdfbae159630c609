// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "look/doubt.h"

int doubt(struct look_result *result, const char *fmt, ...)
{
	va_list args;

	if (result->why[0])
		return DOUBT;
	va_start(args, fmt);
	vsnprintf(result->why, sizeof(result->why), fmt, args);
	va_end(args);
	return DOUBT;
}

// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "criu/criu.h"
#include "criu/log.h"

/* CRIU formats a line, its time stamp included, in a buffer of 1 KiB. */
#define LINE_BYTES 900

/* Replace what a terminal could act on: C0, DEL, and C1 in its UTF-8 form. */
static void replace_controls(char *text)
{
	unsigned char *p;

	for (p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

/* Cut text so that it ends in "...", but not in the middle of a UTF-8 character. */
static void cut(char *text, size_t length)
{
	size_t end = length - strlen("...");

	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	strcpy(text + end, "...");
}

void gate_log(enum criu_log_level level, const char *fmt, ...)
{
	char text[LINE_BYTES];
	va_list args;
	int length;

	if (!criu.print_on_level)
		return;
	va_start(args, fmt);
	length = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (length < 0)
		return;
	if ((size_t)length >= sizeof(text))
		cut(text, sizeof(text) - 1);
	replace_controls(text);
	criu.print_on_level(level, "ghostkeep: %s\n", text);
}

// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

static char name[160];
static char said[200];
static char notes[5][320];
static unsigned int number, failed, skipped, wrongs;

static void close_case(void)
{
	unsigned int i;

	if (!name[0])
		return;
	printf("%s %u - %s%s%s\n", wrongs ? "not ok" : "ok", ++number, name, said[0] ? " # " : "", said);
	for (i = 0; i < wrongs && i < 5; i++)
		printf("#   %s\n", notes[i]);
	if (wrongs > 5)
		printf("#   and %u more\n", wrongs - 5);
	failed += wrongs > 0;
	wrongs = 0;
	name[0] = 0;
	said[0] = 0;
	fflush(stdout);
}

void begin(const char *where, const char *format, ...)
{
	va_list arguments;
	int used;

	close_case();
	used = snprintf(name, sizeof(name), "%s: ", where);
	va_start(arguments, format);
	vsnprintf(name + used, sizeof(name) - (size_t)used, format, arguments);
	va_end(arguments);
}

void wrong(const char *format, ...)
{
	va_list arguments;

	if (wrongs < 5) {
		va_start(arguments, format);
		vsnprintf(notes[wrongs], sizeof(notes[0]), format, arguments);
		va_end(arguments);
	}
	wrongs++;
}

void impossible(const char *format, ...)
{
	va_list arguments;
	int used = snprintf(said, sizeof(said), "impossible: ");

	va_start(arguments, format);
	vsnprintf(said + used, sizeof(said) - (size_t)used, format, arguments);
	va_end(arguments);
}

void remark(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
}

unsigned int how_wrong(void)
{
	return wrongs;
}

void skip(const char *format, ...)
{
	const char *ci = getenv("CI");
	bool fatal = ci && strcmp(ci, "true") == 0;
	va_list arguments;

	printf("%s %u - %s # SKIP ", fatal ? "not ok" : "ok", ++number, name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	failed += fatal;
	skipped++;
	wrongs = 0;
	name[0] = 0;
}

int finish(void)
{
	close_case();
	printf("1..%u\n# %u failed, %u skipped\n", number, failed, skipped);
	return failed || number == 0;
}

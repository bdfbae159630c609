// SPDX-License-Identifier: MIT
/*
 * Logs why the helper died. Node.js ends a crash report with its stack and its version, and says
 * what happened only above them. So several last lines are logged, not just one.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "criu/log.h"
#include "helper/last-words.h"

#define TAIL_BYTES 4096
#define LINES_MAX 12

/* Returns the start of the last LINES_MAX lines of text. */
static char *last_lines(char *text)
{
	char *start = text + strlen(text);
	int lines = 0;

	while (start > text) {
		if (start[-1] == '\n' && *start && *start != '\n' && ++lines == LINES_MAX)
			break;
		start--;
	}
	return start;
}

void helper_log_last_words(const struct helper *helper)
{
	char text[TAIL_BYTES + 1];
	struct stat stat;
	off_t start;
	ssize_t length;
	char *next, *line;

	if (!helper->running || fstat(helper->error_fd, &stat))
		return;
	start = stat.st_size > TAIL_BYTES ? stat.st_size - TAIL_BYTES : 0;
	length = pread(helper->error_fd, text, TAIL_BYTES, start);
	if (length <= 0)
		return;
	text[length] = '\0';
	for (line = strtok_r(last_lines(text), "\n", &next); line; line = strtok_r(NULL, "\n", &next))
		gate_log(helper->loss, "helper: %s", line);
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/report.h"

GK_PUBLIC int gk_rename_many(int from_fd, int to_fd, uint32_t count, const char *names, uint32_t *done,
			     struct gk_report *report)
{
	const char *to;

	memset(report, 0, sizeof(*report));
	for (*done = 0; *done < count; *done += 1, names = to + strlen(to) + 1) {
		to = names + strlen(names) + 1;
		if (renameat(from_fd, names, to_fd, to) < 0)
			return fail(report, -errno, 0, "cannot rename %.100s to %.100s", names, to);
	}
	return 0;
}

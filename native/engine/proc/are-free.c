// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/report.h"

GK_PUBLIC int gk_are_free(int dir_fd, uint32_t count, const char *names, uint8_t *answers,
			  struct gk_report *report)
{
	struct stat about;
	uint32_t i;

	memset(report, 0, sizeof(*report));
	for (i = 0; i < count; i++, names += strlen(names) + 1) {
		answers[i] = fstatat(dir_fd, names, &about, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0;
		if (answers[i] && errno != ENOENT)
			return fail(report, -errno, 0, "cannot look whether there is a %.100s", names);
	}
	return 0;
}

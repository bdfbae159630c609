// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "starter.h"

/* The line has 52 fields. The longest is the name of the program, which the kernel cuts. */
#define STAT_BYTES 2048
/* The fields from behind the program's name to that of the start. */
#define FIELDS_BEFORE_START 20

/* Returns 0 on an error, too: only the idle task has started at 0. */
static uint64_t start_of(pid_t pid)
{
	char path[32], text[STAT_BYTES];
	ssize_t got;
	char *at;
	int fd;

	if (snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid) < 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	/* a program's name may have brackets and spaces in it, so the last bracket counts */
	at = strrchr(text, ')');
	for (int i = 0; at && i < FIELDS_BEFORE_START; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

struct starter starter_open(pid_t pid, uint64_t start)
{
	struct starter none = { .pidfd = -1 }, found = { .pid = pid };

	if (pid <= 0)
		return none;
	found.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (found.pidfd < 0)
		return none;
	/* the process of the pidfd may have ended, and another may have its pid: then it lives no more */
	found.start = start_of(pid);
	if (starter_lives(&found) && (start ? start == found.start : getppid() == pid))
		return found;
	close(found.pidfd);
	return none;
}

bool starter_lives(const struct starter *starter)
{
	struct pollfd ended = { .fd = starter->pidfd, .events = POLLIN };

	return starter->pidfd >= 0 && poll(&ended, 1, 0) == 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "helper/deadline.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_in(int ms)
{
	return now_ms() + ms;
}

int wait_readable(int fd, int64_t deadline)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline - now_ms();
		int ready = poll(&poller, 1, left > 0 ? left : 0);

		if (ready > 0)
			return 1;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (left <= 0)
			return 0;
	}
}

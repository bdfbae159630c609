// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "move/stream.h"

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* with this clock the call cannot fail */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Wait until fd is ready. Returns 0, -ETIMEDOUT, or another negative errno. */
static int await(int fd, short events, uint32_t wait_ms, uint64_t until_ms)
{
	struct pollfd what = { fd, events, 0 };
	uint64_t end = now_ms() + wait_ms;

	if (now_ms() > until_ms)
		return -ETIMEDOUT;
	if (end > until_ms)
		end = until_ms;
	for (;;) {
		uint64_t now = now_ms();
		uint64_t left = now < end ? end - now : 0;
		int ready = poll(&what, 1, left > 1000000 ? 1000000 : (int)left);

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready == 0 && now_ms() >= end)
			return -ETIMEDOUT;
	}
}

/*
 * The least that must come within dead_ms while a read goes on. A side that sends only `alive` brings
 * 16 bytes a second. A network that works brings more than this.
 */
#define LEAST_BYTES 4000

int64_t read_stream(int fd, void *to, uint64_t length, uint32_t first_ms, uint32_t dead_ms, uint64_t until_ms)
{
	uint64_t done = 0, counted = 0, since = 0;

	while (done < length) {
		int error = await(fd, POLLIN, done ? dead_ms : first_ms, until_ms);
		ssize_t got;

		if (error)
			return error;
		got = read(fd, (char *)to + done, length - done);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		if (done == 0 || done + (uint64_t)got - counted >= LEAST_BYTES) {
			counted = done + (uint64_t)got;
			since = now_ms();
		}
		done += (uint64_t)got;
		if (done < length && now_ms() - since > dead_ms)
			return -EBADMSG;
	}
	return (int64_t)done;
}

int write_stream(int fd, struct iovec *pieces, int count, uint32_t dead_ms, uint64_t until_ms)
{
	while (count > 0) {
		int error = await(fd, POLLOUT, dead_ms, until_ms);
		ssize_t put;

		if (error)
			return error;
		put = writev(fd, pieces, count);
		if (put < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (put < 0)
			return -errno;
		for (; count > 0 && (size_t)put >= pieces->iov_len; count--)
			put -= (ssize_t)pieces++->iov_len;
		if (count > 0) {
			pieces->iov_base = (char *)pieces->iov_base + put;
			pieces->iov_len -= (size_t)put;
		}
	}
	return 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Wait until read(2) does not block. Returns true for data, the end of the file, or an error that read(2)
 * will report; false when the deadline passes.
 */
static bool wait_readable(int fd, int64_t deadline)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline - now_ms();
		int ready = poll(&poller, 1, left > 0 ? left : 0);

		if (ready > 0)
			return true;
		if ((ready < 0 && errno != EINTR) || left <= 0)
			return false;
	}
}

void state_read(struct state *state, int fd, int deadline_ms)
{
	int64_t deadline = now_ms() + deadline_ms;

	state->length = 0;
	while (state->length < sizeof(state->bytes) && wait_readable(fd, deadline)) {
		ssize_t got = read(fd, state->bytes + state->length, sizeof(state->bytes) - state->length);

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return;
		state->length += got;
	}
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Returns the byte behind the string that begins at p, or NULL when the string has no end. */
static const char *after_string(const char *p, const char *end)
{
	for (p++; p < end && (unsigned char)*p >= ' '; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p++;
	}
	return NULL;
}

bool state_is_whole(const struct state *state)
{
	const char *p = state->bytes;
	const char *end = p + state->length;
	size_t depth = 0;

	if (state->length > STATE_LIMIT)
		return false;
	while (p < end && is_space(*p))
		p++;
	if (p == end || *p != '{')
		return false;
	do {
		if (*p == '"') {
			p = after_string(p, end);
			if (!p)
				return false;
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		else if ((unsigned char)*p < ' ' && !is_space(*p))
			return false;
		p++;
	} while (depth > 0 && p < end);
	while (p < end && is_space(*p))
		p++;
	return depth == 0 && p == end;
}

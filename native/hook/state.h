/* SPDX-License-Identifier: MIT */
#ifndef HOOK_STATE_H
#define HOOK_STATE_H

#include <stdbool.h>
#include <stddef.h>

/* The same as in src/oci/state.ts, and far above any real state. */
#define STATE_LIMIT (1024 * 1024)

struct state {
	size_t length;
	char bytes[STATE_LIMIT + 1]; /* if the last byte is used, the state is too large */
};

/*
 * Read the state until its end, the limit, an error, or the deadline. The bytes that came until then are
 * in *state, and state_is_whole() tells whether they are complete.
 */
void state_read(struct state *state, int fd, int deadline_ms);

/*
 * Whether the text is one complete JSON object, as far as brackets and strings tell: not cut, not
 * too large, and with nothing behind it. Faults inside the object do not matter: however they are read, a
 * text without our name cannot be that of a container of ours.
 */
bool state_is_whole(const struct state *state);

#endif

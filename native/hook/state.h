/* SPDX-License-Identifier: MIT */
#ifndef HOOK_STATE_H
#define HOOK_STATE_H

#include <stdbool.h>
#include <stddef.h>

/* As in src/oci/state.ts: far above any real state. */
#define STATE_LIMIT (1024 * 1024)

struct state {
	size_t length;
	char bytes[STATE_LIMIT + 1]; /* one more shows that it is too large */
};

/*
 * Read until the end, the limit, an error, or the deadline: whatever ended it,
 * what came until then is the state, and state_is_whole() tells.
 */
void state_read(struct state *state, int fd, int deadline_ms);

/*
 * One JSON object from its first byte to its last, as far as brackets and
 * strings go: not cut, not too large, nothing behind it. What is wrong inside
 * of it is not looked for: without our name no reading of it is ours.
 */
bool state_is_whole(const struct state *state);

#endif

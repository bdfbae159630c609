// SPDX-License-Identifier: MIT
/*
 * JSON can write each character in two ways: as it is, or as \uXXXX; the short
 * escapes stand for none of ours (RFC 8259, section 7). So a text without the
 * word as it is and without any \u does not have it, however keys are ordered
 * and nested. No parser is needed, and none can be wrong.
 */
#include <string.h>

#include "mention.h"

#define NAME "io.ghostkeep."

/*
 * What Go's encoding/json, and so runc and podman, writes for < > & and two
 * line ends: often in annotations, and no letter of a name or an id.
 */
static const char harmless[][4] = {
	{ '0', '0', '3', 'c' }, { '0', '0', '3', 'e' }, { '0', '0', '2', '6' },
	{ '2', '0', '2', '8' }, { '2', '0', '2', '9' },
};

static bool is_harmless(const char *digits, size_t left)
{
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (left >= 4 && !memcmp(digits, harmless[i], 4))
			return true;
	return false;
}

static bool has_odd_escape(const struct state *state)
{
	const char *p = state->bytes;
	const char *end = p + state->length;

	while ((p = memchr(p, '\\', end - p)) && p + 1 < end) {
		p += 2; /* the second of two backslashes begins nothing */
		if (p[-1] == 'u' && !is_harmless(p, end - p))
			return true;
	}
	return false;
}

bool may_mention_us(const struct state *state)
{
	return has_odd_escape(state) || memmem(state->bytes, state->length, NAME, strlen(NAME));
}

bool has_string(const struct state *state, const char *word, size_t length)
{
	const char *p = state->bytes + 1;
	const char *end = state->bytes + state->length;

	while (p < end && (p = memmem(p, end - p, word, length))) {
		if (p[-1] == '"' && p + length < end && p[length] == '"')
			return true;
		p++;
	}
	return false;
}

// SPDX-License-Identifier: MIT
/*
 * Looks for our name in a JSON text without a parser, so no parser can be wrong. JSON can write each
 * letter of the name in two ways: as it is, or as \uXXXX; no short escape stands for one of them
 * (RFC 8259, section 7). So a text that has neither the name as it is nor any \u does not contain the
 * name, however its keys are ordered and nested.
 */
#include <string.h>

#include "mention.h"

#define NAME "io.ghostkeep."

/*
 * The escapes that say nothing about our name: Go's encoding/json, which runc and podman use, writes
 * them for < > & and two line ends. They are frequent in annotations, and no name or id of ours contains
 * these characters.
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
		p += 2; /* skip the escaped character, which may be a backslash and begins no escape */
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

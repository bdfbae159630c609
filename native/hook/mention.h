/* SPDX-License-Identifier: MIT */
#ifndef HOOK_MENTION_H
#define HOOK_MENTION_H

#include <stdbool.h>

#include "state.h"

/*
 * Returns false only when no string of this JSON text, decoded, contains "io.ghostkeep.", and none has an
 * unusual \u escape. Keys and values count alike.
 */
bool may_mention_us(const struct state *state);

/* Whether "WORD" is in the text, in quotes. */
bool has_string(const struct state *state, const char *word, size_t length);

#endif

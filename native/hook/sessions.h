/* SPDX-License-Identifier: MIT */
#ifndef HOOK_SESSIONS_H
#define HOOK_SESSIONS_H

#include <stdbool.h>

#include "state.h"

/*
 * Returns false only when no session record (src/flows/container/sessions.ts) is for a container id that
 * is a string of this state. Call it only if may_mention_us() is false: then the text has no unusual
 * escapes. An id has no character that JSON must escape, so it would be in the text as it is.
 */
bool may_have_session(const struct state *state);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef HOOK_SESSIONS_H
#define HOOK_SESSIONS_H

#include <stdbool.h>

#include "state.h"

/*
 * False only when no session record (src/flows/container/sessions.ts) has a container id that is a
 * string of this state. It holds only for states for which may_mention_us() is false. An id has no
 * character that JSON must escape, so it would be in the text as it is.
 */
bool may_have_session(const struct state *state);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef HOOK_SESSIONS_H
#define HOOK_SESSIONS_H

#include <stdbool.h>

#include "state.h"

/*
 * False only when no session record (src/flows/container/sessions.ts) is of a container
 * whose id is a string of this state, which may_mention_us() has denied: an id
 * has no character that must be escaped, so it stands there as it is.
 */
bool may_have_session(const struct state *state);

#endif

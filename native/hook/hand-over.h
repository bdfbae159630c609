/* SPDX-License-Identifier: MIT */
#ifndef HOOK_HAND_OVER_H
#define HOOK_HAND_OVER_H

#include "state.h"

/*
 * Become the program argv[0], with the bytes that were read as its stdin. The pid and the parent
 * stay the same, because the program looks who called it. Returns only when that fails, with an
 * exit status; the reason is on stderr.
 */
int hand_over(const struct state *state, char **argv);

#endif

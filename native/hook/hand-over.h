/* SPDX-License-Identifier: MIT */
#ifndef HOOK_HAND_OVER_H
#define HOOK_HAND_OVER_H

#include "state.h"

/*
 * Become the program argv[0] by execv(3), with the state that was read as its stdin. So pid and parent
 * stay the same, and the program can see who has called the hook. Returns only when this fails, with an
 * exit status. The reason is then on stderr.
 */
int hand_over(const struct state *state, char **argv);

#endif

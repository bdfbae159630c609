/* SPDX-License-Identifier: MIT */
/* Whether a dump can do without the helper. */
#ifndef GATE_FIRST_LOOK_H
#define GATE_FIRST_LOOK_H

#include <stdbool.h>

/*
 * Look before the freeze. root is the pid of CRIU's root of the tree, or 0 where it is not known.
 * Returns true if the helper is not needed. Then the image directory is locked until first_look_end().
 */
bool first_look_begin(int root, int image_dir);

/*
 * Look again at pid and all processes below it when all processes are frozen, unless an earlier call
 * has done so. Returns NULL if there is still surely no ghost, else the reason for the doubt.
 */
const char *first_look_again(int pid);

/* Unlocks the image directory. It may be called at any time. */
void first_look_end(void);

#endif

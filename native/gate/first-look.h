/* SPDX-License-Identifier: MIT */
/* Whether a dump can do without the helper. */
#ifndef GATE_FIRST_LOOK_H
#define GATE_FIRST_LOOK_H

#include <stdbool.h>

/*
 * Before the freeze: root is CRIU's root of the tree, 0 where it is not known. Returns true where
 * the helper is not needed; then the image directory is locked until first_look_end().
 */
bool first_look_begin(int root, int image_dir);

/*
 * When all processes are frozen: looks again at pid and all below it, unless that has been done.
 * Returns NULL where there is still nothing of ours, else the reason for the doubt.
 */
const char *first_look_again(int pid);

/* Unlocks the image directory. It may be called at any time. */
void first_look_end(void);

#endif

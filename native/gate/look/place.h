/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_PLACE_H
#define GATE_LOOK_PLACE_H

#include "look/doubt.h"

/*
 * Whether the host and the image directory leave the helper nothing to do but to look for ghosts:
 * no policy, no session of a container, no file of an earlier dump. Returns 0 or DOUBT.
 */
int look_at_place(struct look_result *result, int image_dir);

#endif

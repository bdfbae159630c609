/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOOK_PLACE_H
#define GATE_LOOK_PLACE_H

#include "look/doubt.h"

/*
 * Returns 0 if only a ghost could give the helper work: CRIU runs as root, the host has no policy and
 * no session of a container, and the image directory has no file of ours, of an earlier dump, or of a
 * stream or cipher that CRIU writes into. Returns DOUBT otherwise.
 */
int look_at_place(struct look_result *result, int image_dir);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The first look: does a tree of processes surely hold no ghost? Most containers hold none, and
 * then the helper is not needed. If the look doubts, the helper is needed.
 */
#ifndef GATE_LOOK_LOOK_H
#define GATE_LOOK_LOOK_H

#include "look/doubt.h"

#define NO_PLACE (-1)

/*
 * Look at the process root and all processes below it. Unless image_dir is NO_PLACE, look at the host
 * and the image directory as well. This happens in a child process, which is killed after deadline_ms.
 * `files` is about how many files are to be looked at. If they are many, two children share them. Then
 * root and all below it must be frozen, because each child reads the list of descriptors for itself.
 */
void look(struct look_result *result, int root, int image_dir, int deadline_ms, int files);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GATE_KEY_H
#define GATE_KEY_H

#include <stdbool.h>

/*
 * Whether key is file[MNT_ID:INO] exactly as CRIU will print it when it looks
 * a file up: lower-case hex, no leading zero, a 32-bit and a 64-bit number.
 * CRIU compares text, so a key in any other form would name no file, and CRIU
 * would dump the ghost itself without a word.
 */
bool key_is_valid(const char *key);

/* Whether key is mnt[…], of a bounded length, without control characters. */
bool mount_key_is_valid(const char *key);

/* C0 and DEL: among them is the newline that would end a line of ours. */
bool has_controls(const char *text);

#endif

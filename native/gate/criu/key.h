/* SPDX-License-Identifier: MIT */
#ifndef GATE_KEY_H
#define GATE_KEY_H

#include <stdbool.h>

/*
 * Whether key is file[MNT_ID:INO] exactly as CRIU will print it when it looks a file up: a 32-bit
 * and a 64-bit number in lower-case hex without leading zeros. CRIU compares keys as text. With a key
 * in any other form CRIU would find no file, and would silently dump the ghost itself.
 */
bool key_is_valid(const char *key);

/* Whether key is mnt[…], of a bounded length, without control characters. */
bool mount_key_is_valid(const char *key);

/* Whether text has a C0 character or DEL. The newline is one of these, and it would end our line. */
bool has_controls(const char *text);

#endif

/* SPDX-License-Identifier: MIT */
/* The places where a server may be behind a mount, and whether an overlay may have a layer there. */
#ifndef GATE_LOOK_SERVERS_H
#define GATE_LOOK_SERVERS_H

#include <stdbool.h>

void servers_clear(void);

/* point is a mount point as mountinfo writes it. */
void servers_add(const char *point);

bool servers_are_there(void);

/* options are an overlay's as mountinfo writes them. In doubt the answer is true. */
bool servers_may_have(const char *options);

#endif

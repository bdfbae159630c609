/* SPDX-License-Identifier: MIT */
/* The places where a server may be behind a mount, and whether an overlay may have a layer there. */
#ifndef GATE_LOOK_SERVERS_H
#define GATE_LOOK_SERVERS_H

#include <stdbool.h>

void servers_clear(void);

/* Note a mount that may have a server. point is its mount point as mountinfo writes it. */
void servers_add(const char *point);

bool servers_are_there(void);

/* Whether an overlay may have a layer on a server. options are those that mountinfo shows of it. */
bool servers_may_have(const char *options);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GK_STAT_H
#define GK_STAT_H

#include "ghostkeep.h"

/*
 * statx(2), with symbolic links followed. An empty path means dir_fd itself. how is
 * AT_STATX_DONT_SYNC, which asks no server, or 0, which waits for the server. Returns 0 or a
 * negative errno.
 */
int stat_at(int dir_fd, const char *path, int how, struct gk_stat *about);

#endif

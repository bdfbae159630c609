/* SPDX-License-Identifier: MIT */
#ifndef GK_STAT_H
#define GK_STAT_H

#include "ghostkeep.h"

/*
 * 0 or a negative errno. An empty path is dir_fd itself; symbolic links are followed. how is
 * AT_STATX_DONT_SYNC, which asks no server, or 0, which waits for one.
 */
int stat_at(int dir_fd, const char *path, int how, struct gk_stat *about);

#endif

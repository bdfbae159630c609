/* SPDX-License-Identifier: MIT */
#ifndef GK_STAT_H
#define GK_STAT_H

#include "ghostkeep.h"

/* 0 or a negative errno. An empty path is dir_fd itself; symbolic links are followed. */
int stat_at(int dir_fd, const char *path, struct gk_stat *about);

#endif

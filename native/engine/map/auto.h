/* SPDX-License-Identifier: MIT */
#ifndef GK_AUTO_H
#define GK_AUTO_H

#include <stdbool.h>
#include <stdint.h>

/* The engine that is safe, and among those fastest, on the file's file system. */
int choose_engine(int fd, uint32_t *engine, const char **why);

/* Whether a file system's extent map shows all dirty data outside unwritten extents. */
bool maps_show_dirty_holes(int fd);

#endif

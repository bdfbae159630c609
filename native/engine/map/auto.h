/* SPDX-License-Identifier: MIT */
#ifndef GK_AUTO_H
#define GK_AUTO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Choose the fastest of the engines that are safe on the file's file system. Returns 0 or a
 * negative errno.
 */
int choose_engine(int fd, uint32_t *engine, const char **why);

/* Whether the file system's extent map shows all dirty data that lies outside unwritten extents. */
bool maps_show_dirty_holes(int fd);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GATE_OPEN_DIR_H
#define GATE_OPEN_DIR_H

#include <dirent.h>

/* Open the folder path below `at`, to list it, with more flags of open(2). NULL and errno on failure. */
DIR *open_dir(int at, const char *path, int flags);

/*
 * Whether a folder has no entries. It must be on the file system with this device, MAJOR:MINOR. If it
 * is not, another mount hides the folder that is meant. Returns 1, 0, or a negative errno.
 */
int folder_is_empty(const char *path, const char *device);

#endif

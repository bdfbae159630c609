/* SPDX-License-Identifier: MIT */
#ifndef GATE_OPEN_DIR_H
#define GATE_OPEN_DIR_H

#include <dirent.h>

/* Opens the folder path below at to list it. flags are added to open(2)'s. NULL with errno on failure. */
DIR *open_dir(int at, const char *path, int flags);

/*
 * Whether a folder has no entries. It has to be on the file system device, MAJOR:MINOR, because
 * another mount may hide it. Returns 1, 0, or a negative errno.
 */
int folder_is_empty(const char *path, const char *device);

#endif

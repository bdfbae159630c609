/* SPDX-License-Identifier: MIT */
#ifndef GATE_OPEN_DIR_H
#define GATE_OPEN_DIR_H

#include <dirent.h>

/* Opens the folder path below at to list it. flags are added to open(2)'s. NULL with errno on failure. */
DIR *open_dir(int at, const char *path, int flags);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GK_FLAGS_H
#define GK_FLAGS_H

#include <stdint.h>

/*
 * Store in *flags those flags of a file that can also be set on another file; none where the file
 * system has no flags. Returns 0 or a negative errno.
 */
int inode_flags(int fd, uint32_t *flags);

#endif

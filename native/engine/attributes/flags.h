/* SPDX-License-Identifier: MIT */
#ifndef GK_FLAGS_H
#define GK_FLAGS_H

#include <stdint.h>

/*
 * Those flags of a file that can be given to another, none where the file system has none.
 * 0 or a negative errno.
 */
int inode_flags(int fd, uint32_t *flags);

#endif

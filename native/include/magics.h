/* SPDX-License-Identifier: MIT */
/*
 * Values of f_type in statfs(2). Sources: linux/magic.h, and for values that it lacks, the source of the
 * file system.
 */
#ifndef GK_MAGICS_H
#define GK_MAGICS_H

#include <stdint.h>

#define MAGIC_EXT4 UINT32_C(0xef53)
#define MAGIC_OVERLAY UINT32_C(0x794c7630)
#define MAGIC_XFS UINT32_C(0x58465342)
#define MAGIC_BTRFS UINT32_C(0x9123683e)
#define MAGIC_TMPFS UINT32_C(0x01021994)
#define MAGIC_F2FS UINT32_C(0xf2f52010)
#define MAGIC_ZFS UINT32_C(0x2fc12fc1)
#define MAGIC_FUSE UINT32_C(0x65735546)
#define MAGIC_NFS UINT32_C(0x6969)
#define MAGIC_9P UINT32_C(0x01021997)
#define MAGIC_SMB UINT32_C(0x517b)
#define MAGIC_CIFS UINT32_C(0xff534d42)
#define MAGIC_SMB2 UINT32_C(0xfe534d42)
#define MAGIC_AUFS UINT32_C(0x61756673)

#endif

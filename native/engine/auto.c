// SPDX-License-Identifier: MIT
/* Which engine to trust where. Safety first, then speed (nanoseconds an extent). */
#include <errno.h>
#include <sys/vfs.h>

#include "walk.h"

/* From linux/magic.h and, for those outside it, the file systems' own sources. */
enum {
	MAGIC_EXT4 = 0xef53,
	MAGIC_XFS = 0x58465342,
	MAGIC_NFS = 0x6969,
	MAGIC_9P = 0x01021997,
	MAGIC_SMB = 0x517b,
	MAGIC_CIFS = 0xff534d42,
	MAGIC_SMB2 = 0xfe534d42,
	MAGIC_FUSE = 0x65735546,
	MAGIC_ZFS = 0x2fc12fc1,
};

static int magic_of(int fd, uint32_t *magic)
{
	struct statfs about;

	if (fstatfs(fd, &about) < 0)
		return -errno;
	*magic = (uint32_t)about.f_type;
	return 0;
}

int choose_engine(int fd, uint32_t *engine)
{
	uint32_t magic = 0;
	int error = magic_of(fd, &magic);

	if (error)
		return error;
	switch (magic) {
	case MAGIC_EXT4:	/* 441 ns, seek 1100 */
	case MAGIC_XFS:		/* about as seek, which there takes what was only read for data */
		*engine = GK_ENGINE_FIEMAP;
		break;
	case MAGIC_ZFS:		/* has called dirty and mapped data a hole */
	case MAGIC_FUSE:	/* the map is whatever a process says */
	case MAGIC_NFS:		/* or a server */
	case MAGIC_9P:
	case MAGIC_SMB:
	case MAGIC_CIFS:
	case MAGIC_SMB2:
		*engine = GK_ENGINE_READ;
		break;
	default:
		/* Also btrfs: asking lseek about every gap too makes fiemap the slower one. */
		*engine = GK_ENGINE_SEEK;
	}
	return 0;
}

bool maps_show_dirty_holes(int fd)
{
	uint32_t magic = 0;

	/*
	 * ext4 shows delayed allocation as such. xfs does so only in the data
	 * fork: dirty data beside a shared block can wait in the fork for copy
	 * on write, over what FIEMAP still calls a hole.
	 */
	return magic_of(fd, &magic) == 0 && magic == MAGIC_EXT4;
}

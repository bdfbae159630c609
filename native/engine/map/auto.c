// SPDX-License-Identifier: MIT
/* Which engine to trust where. Safety first, then speed (nanoseconds an extent). */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "map/walk.h"

enum {
	MAGIC_EXT4 = 0xef53,
	MAGIC_OVERLAY = 0x794c7630,
};

/* Magics are linux/magic.h's and, for those outside it, the file systems' own sources'. */
static const struct opinion {
	uint32_t magic;
	uint32_t engine;
	const char *why;
} opinions[] = {
	{ MAGIC_EXT4, GK_ENGINE_FIEMAP, "ext4's map is its fastest answer, lseek settles unwritten ranges" },
	{ 0x58465342, GK_ENGINE_FIEMAP, "xfs's map tells unwritten from data, lseek settles the rest" },
	{ 0x9123683e, GK_ENGINE_SEEK, "btrfs answers lseek faster than it makes a map" },
	{ 0x01021994, GK_ENGINE_SEEK, "tmpfs has no map, lseek sees its pages" },
	{ 0xf2f52010, GK_ENGINE_SEEK, "f2fs answers lseek from its page cache, too" },
	{ 0x2fc12fc1, GK_ENGINE_READ, "zfs has called dirty data a hole" },
	{ 0x65735546, GK_ENGINE_READ, "a FUSE file's map is what its server says" },
	{ 0x6969, GK_ENGINE_READ, "an NFS file's map is what its server says" },
	{ 0x01021997, GK_ENGINE_READ, "a 9p file's map is what its server says" },
	{ 0x517b, GK_ENGINE_READ, "an SMB file's map is what its server says" },
	{ 0xff534d42, GK_ENGINE_READ, "a CIFS file's map is what its server says" },
	{ 0xfe534d42, GK_ENGINE_READ, "an SMB file's map is what its server says" },
	{ 0x61756673, GK_ENGINE_READ, "nobody has tried aufs's maps" },
};

static const struct opinion unknown = { 0, GK_ENGINE_READ, "nobody has shown that this file system's map can be trusted" };

/*
 * statfs says overlayfs whatever lies below, and maps are passed on to what
 * does. All file systems above whose map is not to be believed have no
 * FIEMAP, so one that answers it may be asked by lseek, too.
 * Source: fs/overlayfs/inode.c (ovl_fiemap), file.c (ovl_llseek).
 */
static const struct opinion overlay[2] = {
	{ MAGIC_OVERLAY, GK_ENGINE_READ, "what lies below this overlay has no map, so it may be one not to believe" },
	{ MAGIC_OVERLAY, GK_ENGINE_SEEK, "overlayfs passes lseek on to a file system with a map" },
};

static bool has_map(int fd)
{
	struct fiemap first_byte = { .fm_length = 1 };

	return ioctl(fd, FS_IOC_FIEMAP, &first_byte) == 0;
}

static int magic_of(int fd, uint32_t *magic)
{
	struct statfs about;

	if (fstatfs(fd, &about) < 0)
		return -errno;
	*magic = (uint32_t)about.f_type;
	return 0;
}

int choose_engine(int fd, uint32_t *engine, const char **why)
{
	const struct opinion *ours = &unknown;
	uint32_t magic = 0, i;
	int error = magic_of(fd, &magic);

	if (error)
		return error;
	for (i = 0; i < sizeof(opinions) / sizeof(opinions[0]); i++)
		if (opinions[i].magic == magic)
			ours = &opinions[i];
	if (magic == MAGIC_OVERLAY)
		ours = &overlay[has_map(fd)];
	*engine = ours->engine;
	*why = ours->why;
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

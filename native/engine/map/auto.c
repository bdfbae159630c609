// SPDX-License-Identifier: MIT
/* Chooses the engine by file system. Safety comes first, then speed, in nanoseconds for each extent. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "ghostkeep.h"
#include "magics.h"
#include "map/auto.h"

static const struct opinion {
	uint32_t magic;
	uint32_t engine;
	const char *why;
} opinions[] = {
	{ MAGIC_EXT4, GK_ENGINE_FIEMAP, "ext4's map is its fastest answer, lseek settles unwritten ranges" },
	{ MAGIC_XFS, GK_ENGINE_FIEMAP, "xfs's map tells unwritten from data, lseek settles the rest" },
	{ MAGIC_BTRFS, GK_ENGINE_SEEK, "btrfs answers lseek faster than it makes a map" },
	{ MAGIC_TMPFS, GK_ENGINE_SEEK, "tmpfs has no map, lseek sees its pages" },
	{ MAGIC_F2FS, GK_ENGINE_SEEK, "f2fs answers lseek from its page cache, too" },
	{ MAGIC_ZFS, GK_ENGINE_READ, "zfs has called dirty data a hole" },
	{ MAGIC_FUSE, GK_ENGINE_READ, "a FUSE file's map is what its server says" },
	{ MAGIC_NFS, GK_ENGINE_READ, "an NFS file's map is what its server says" },
	{ MAGIC_9P, GK_ENGINE_READ, "a 9p file's map is what its server says" },
	{ MAGIC_SMB, GK_ENGINE_READ, "an SMB file's map is what its server says" },
	{ MAGIC_CIFS, GK_ENGINE_READ, "a CIFS file's map is what its server says" },
	{ MAGIC_SMB2, GK_ENGINE_READ, "an SMB file's map is what its server says" },
	{ MAGIC_AUFS, GK_ENGINE_READ, "nobody has tried aufs's maps" },
};

static const struct opinion unknown = {
	0,
	GK_ENGINE_READ,
	"nobody has shown that this file system's map can be trusted",
};

/*
 * statfs says overlayfs, whichever file system lies below. overlayfs passes lseek and requests for a
 * map on to the file system below, and statx(2) shows which attributes that one knows. CIFS (SMB 3),
 * ntfs3, ocfs2 and erofs have maps, too, and are not trusted. They do not know STATX_ATTR_NODUMP,
 * which the local file systems above with a map know. Source: fs/overlayfs/inode.c (ovl_getattr,
 * ovl_fiemap), file.c (ovl_llseek), fs/smb/client/inode.c (cifs_getattr).
 */
static const struct opinion overlay[2] = {
	{ MAGIC_OVERLAY, GK_ENGINE_READ,
	  "the file system below this overlay has no map, or none that we can trust" },
	{ MAGIC_OVERLAY, GK_ENGINE_SEEK, "overlayfs passes lseek on to a local file system with a map" },
};

/* No server is asked. */
static bool knows_nodump(int fd)
{
	struct statx about;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &about) == 0 &&
	       about.stx_attributes_mask & STATX_ATTR_NODUMP;
}

/*
 * With metacopy, overlayfs may have the attributes from the upper layer, while the data is still in a
 * lower one. CIFS gives each extent the place on the disk that it has in the file, and no flag except
 * that of the last one. Source: fs/smb/client/smb2ops.c (smb3_fiemap).
 */
static bool has_map(int fd)
{
	struct {
		struct fiemap map;
		struct fiemap_extent first;
	} answer = { .map = { .fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 1 } };

	if (ioctl(fd, FS_IOC_FIEMAP, &answer) < 0)
		return false;
	return answer.map.fm_mapped_extents == 0 || answer.first.fe_physical != answer.first.fe_logical ||
	       answer.first.fe_flags & ~(uint32_t)FIEMAP_EXTENT_LAST;
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
		ours = &overlay[knows_nodump(fd) && has_map(fd)];
	*engine = ours->engine;
	*why = ours->why;
	return 0;
}

bool maps_show_dirty_holes(int fd)
{
	uint32_t magic = 0;

	/*
	 * ext4's map shows delayed allocation as such. xfs's map does so only in the data fork.
	 * Dirty data beside a shared block can wait in the fork for copy on write, where FIEMAP
	 * still shows a hole.
	 */
	return magic_of(fd, &magic) == 0 && magic == MAGIC_EXT4;
}

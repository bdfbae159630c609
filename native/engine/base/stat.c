// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/stat.h"

int stat_at(int dir_fd, const char *path, int how, struct gk_stat *about)
{
	struct statx st;
	int done;

	do
		done = statx(dir_fd, path, how | (*path ? 0 : AT_EMPTY_PATH),
			     STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &st);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	*about = (struct gk_stat){
		.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
		.ino = st.stx_ino,
		.mode = st.stx_mode,
		.nlink = st.stx_nlink,
		.uid = st.stx_uid,
		.gid = st.stx_gid,
		.rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor),
		.size = st.stx_size,
		.allocated = st.stx_blocks * 512,
		.block_bytes = st.stx_blksize,
		.atime_sec = st.stx_atime.tv_sec,
		.atime_nsec = st.stx_atime.tv_nsec,
		.mtime_sec = st.stx_mtime.tv_sec,
		.mtime_nsec = st.stx_mtime.tv_nsec,
		.ctime_sec = st.stx_ctime.tv_sec,
		.ctime_nsec = st.stx_ctime.tv_nsec,
	};
	if (st.stx_mask & STATX_MNT_ID)
		about->mount_id = st.stx_mnt_id;
	if (st.stx_mask & STATX_BTIME) {
		about->birth_sec = st.stx_btime.tv_sec;
		about->birth_nsec = st.stx_btime.tv_nsec;
	}
	return 0;
}

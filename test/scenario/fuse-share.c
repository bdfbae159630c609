// SPDX-License-Identifier: MIT
/*
 * A FUSE server that shows a folder of the host and refuses calls, as shares of hypervisors and
 * object stores do. usage: fuse-share FOLDER REFUSED MOUNTPOINT [option of libfuse…]. REFUSED is
 * a list of call:errno, for example `chown:1,fsync:22`. statfs:0 makes statfs(2) succeed without
 * any figures.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int top;
static const char *refused;

/* Returns 0 if the call is not refused. */
static int refusal(const char *call)
{
	const char *found = strstr(refused, call);

	return found ? -atoi(found + strlen(call) + 1) : 0;
}

static const char *below(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int result(int error)
{
	return error < 0 ? -errno : 0;
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *file)
{
	(void)file;
	return result(fstatat(top, below(path), st, AT_SYMLINK_NOFOLLOW));
}

static int list(const char *path, void *into, fuse_fill_dir_t fill, off_t at, struct fuse_file_info *file,
		enum fuse_readdir_flags flags)
{
	int fd = openat(top, below(path), O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	(void)at, (void)file, (void)flags;
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		fill(into, entry->d_name, NULL, 0, 0);
	return result(closedir(dir));
}

static int open_any(const char *path, int flags, mode_t mode, struct fuse_file_info *file)
{
	int fd = openat(top, below(path), flags, mode);

	if (fd < 0)
		return -errno;
	file->fh = (uint64_t)fd;
	return 0;
}

static int open_file(const char *path, struct fuse_file_info *file)
{
	return open_any(path, file->flags, 0, file);
}

static int create(const char *path, mode_t mode, struct fuse_file_info *file)
{
	int error = refusal("create");

	return error ? error : open_any(path, file->flags | O_CREAT, mode, file);
}

static int read_file(const char *path, char *into, size_t size, off_t at, struct fuse_file_info *file)
{
	ssize_t got = pread((int)file->fh, into, size, at);

	(void)path;
	return got < 0 ? -errno : (int)got;
}

static int write_file(const char *path, const char *data, size_t size, off_t at, struct fuse_file_info *file)
{
	ssize_t done = pwrite((int)file->fh, data, size, at);

	(void)path;
	return done < 0 ? -errno : (int)done;
}

/* The kernel calls this at each close(2): an object store reports here what it has not stored. */
static int flush(const char *path, struct fuse_file_info *file)
{
	(void)path, (void)file;
	return refusal("flush");
}

static int release(const char *path, struct fuse_file_info *file)
{
	(void)path;
	return result(close((int)file->fh));
}

static int sync_file(const char *path, int data_only, struct fuse_file_info *file)
{
	int error = refusal("fsync");

	(void)path, (void)data_only;
	return error ? error : result(fsync((int)file->fh));
}

static int sync_folder(const char *path, int data_only, struct fuse_file_info *file)
{
	(void)path, (void)data_only, (void)file;
	return refusal("fsync");
}

static int remove_file(const char *path)
{
	return result(unlinkat(top, below(path), 0));
}

static int rename_file(const char *from, const char *to, unsigned int flags)
{
	return result(renameat2(top, below(from), top, below(to), flags));
}

static int make_folder(const char *path, mode_t mode)
{
	return result(mkdirat(top, below(path), mode));
}

static int remove_folder(const char *path)
{
	return result(unlinkat(top, below(path), AT_REMOVEDIR));
}

static int set_size(const char *path, off_t size, struct fuse_file_info *file)
{
	int fd = file ? (int)file->fh : openat(top, below(path), O_WRONLY);
	int error = fd < 0 ? -errno : result(ftruncate(fd, size));

	if (!file && fd >= 0)
		close(fd);
	return error;
}

static int set_mode(const char *path, mode_t mode, struct fuse_file_info *file)
{
	int error = refusal("chmod");

	(void)file;
	return error ? error : result(fchmodat(top, below(path), mode, 0));
}

static int set_owner(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *file)
{
	int error = refusal("chown");

	(void)file;
	return error ? error : result(fchownat(top, below(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int set_times(const char *path, const struct timespec times[2], struct fuse_file_info *file)
{
	int error = refusal("utimens");

	(void)file;
	return error ? error : result(utimensat(top, below(path), times, AT_SYMLINK_NOFOLLOW));
}

static int about(const char *path, struct statvfs *st)
{
	(void)path;
	if (!strstr(refused, "statfs"))
		return result(fstatvfs(top, st));
	memset(st, 0, sizeof(*st));
	return refusal("statfs");
}

static const struct fuse_operations operations = {
	.getattr = get_attributes,
	.readdir = list,
	.open = open_file,
	.create = create,
	.read = read_file,
	.write = write_file,
	.flush = flush,
	.release = release,
	.fsync = sync_file,
	.fsyncdir = sync_folder,
	.unlink = remove_file,
	.rename = rename_file,
	.mkdir = make_folder,
	.rmdir = remove_folder,
	.truncate = set_size,
	.chmod = set_mode,
	.chown = set_owner,
	.utimens = set_times,
	.statfs = about,
};

int main(int argc, char *argv[])
{
	if (argc < 4)
		return 2;
	top = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (top < 0)
		return 1;
	refused = argv[2];
	argv[2] = argv[0];
	return fuse_main(argc - 2, argv + 2, &operations, NULL);
}

// SPDX-License-Identifier: MIT
/*
 * usage: fuse-server ROOT MOUNTPOINT    what is in ROOT, in the foreground, until it is ended
 * Attributes are remembered for a second. Stopped by SIGSTOP it is a dead server.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int root;

static const char *below(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *file)
{
	int err = file ? fstat((int)file->fh, st) : fstatat(root, below(path), st, AT_SYMLINK_NOFOLLOW);

	return err ? -errno : 0;
}

static int open_file(const char *path, struct fuse_file_info *file)
{
	int fd = openat(root, below(path), file->flags & ~O_NOFOLLOW);

	file->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static int read_file(const char *path, char *into, size_t size, off_t at, struct fuse_file_info *file)
{
	ssize_t got = pread((int)file->fh, into, size, at);

	(void)path;
	return got < 0 ? -errno : (int)got;
}

static int release(const char *path, struct fuse_file_info *file)
{
	(void)path;
	close((int)file->fh);
	return 0;
}

static const struct fuse_operations operations = {
	.getattr = get_attributes,
	.open = open_file,
	.read = read_file,
	.release = release,
};

int main(int count, char **words)
{
	char *arguments[] = { words[0], "-f", "-s", words[2], NULL };

	if (count != 3)
		return 2;
	root = open(words[1], O_RDONLY | O_DIRECTORY);
	if (root < 0)
		return 1;
	return fuse_main(4, arguments, &operations, NULL);
}

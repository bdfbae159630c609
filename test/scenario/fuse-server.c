// SPDX-License-Identifier: MIT
/*
 * usage: fuse-server ROOT MOUNTPOINT [statfs|read]: shows the content of ROOT, in the foreground,
 * until it is ended. The kernel remembers its attributes for a second. SIGSTOP makes it a dead
 * server. With a third argument it stops by itself when it has answered the first such request,
 * before it takes the next one.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <fuse3/fuse_lowlevel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int root;
static const char *last = ""; /* the request after which it stops */
static int stops;

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

/* A socket that is bound there has a file. */
static int make_node(const char *path, mode_t mode, dev_t device)
{
	return mknodat(root, below(path), mode, device) ? -errno : 0;
}

static int read_file(const char *path, char *into, size_t size, off_t at, struct fuse_file_info *file)
{
	ssize_t got = pread((int)file->fh, into, size, at);

	(void)path;
	stops |= !strcmp(last, "read");
	return got < 0 ? -errno : (int)got;
}

static int get_room(const char *path, struct statvfs *room)
{
	(void)path;
	stops |= !strcmp(last, "statfs");
	return fstatvfs(root, room) ? -errno : 0;
}

static int release(const char *path, struct fuse_file_info *file)
{
	(void)path;
	close((int)file->fh);
	return 0;
}

static const struct fuse_operations operations = {
	.getattr = get_attributes,
	.mknod = make_node,
	.open = open_file,
	.read = read_file,
	.release = release,
	.statfs = get_room,
};

static void serve(struct fuse_session *session)
{
	struct fuse_buf request = { 0 };

	while (!fuse_session_exited(session)) {
		if (stops)
			raise(SIGSTOP);
		if (fuse_session_receive_buf(session, &request) > 0)
			fuse_session_process_buf(session, &request);
	}
	free(request.mem);
}

int main(int count, char **words)
{
	char *options[] = { words[0], "-osubtype=server", NULL };
	struct fuse_args arguments = FUSE_ARGS_INIT(2, options);
	struct fuse *fuse;

	if (count != 3 && count != 4)
		return 2;
	if (count == 4)
		last = words[3];
	root = open(words[1], O_RDONLY | O_DIRECTORY);
	if (root < 0)
		return 1;
	fuse = fuse_new(&arguments, &operations, sizeof(operations), NULL);
	if (!fuse || fuse_mount(fuse, words[2]))
		return 1;
	serve(fuse_get_session(fuse));
	fuse_unmount(fuse);
	fuse_destroy(fuse);
	return 0;
}

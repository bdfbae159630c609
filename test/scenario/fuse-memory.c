// SPDX-License-Identifier: MIT
/*
 * usage: fuse-memory MOUNTPOINT -f [option of libfuse…]
 * A FUSE server that keeps a few small files in its memory, in one folder. It leaves libfuse's default for
 * removed open files: libfuse renames the file to .fuse_hidden… and removes that name when the file is closed.
 * If OTHERS_REMOVE is in the environment, every file with content looks as if somebody else had removed it: a
 * look-up by its name fails, and only processes that have it open can still reach it.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse3/fuse.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES 16
#define BYTES (1 << 20)
#define NAME 64

static struct inode {
	nlink_t names;
	mode_t mode;
	size_t size;
	char content[BYTES];
} inodes[FILES];

static struct name {
	char path[NAME]; /* empty: free */
	struct inode *inode;
} names[FILES];

static struct name *find(const char *path)
{
	for (int i = 0; i < FILES; i++)
		if (!strcmp(names[i].path, path))
			return &names[i];
	return NULL;
}

static int add_name(const char *path, struct inode *inode)
{
	struct name *place = find("");

	if (!place)
		return -ENOSPC;
	if (strlen(path) >= NAME)
		return -ENAMETOOLONG;
	strcpy(place->path, path);
	place->inode = inode;
	inode->names++;
	return 0;
}

static void *start(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->use_ino = 1; /* names of one file have one inode */
	return NULL;
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *file)
{
	const struct name *name = find(path);

	memset(st, 0, sizeof(*st));
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_nlink = 1;
	if (!strcmp(path, "/")) {
		st->st_ino = 1;
		st->st_mode = S_IFDIR | 0755;
		return 0;
	}
	if (!name || (!file && name->inode->size > 0 && getenv("OTHERS_REMOVE")))
		return -ENOENT;
	st->st_ino = 2 + (ino_t)(name->inode - inodes);
	st->st_mode = name->inode->mode;
	st->st_nlink = name->inode->names;
	st->st_size = (off_t)name->inode->size;
	st->st_blocks = (st->st_size + 511) / 512;
	return 0;
}

static int list(const char *path, void *into, fuse_fill_dir_t fill, off_t at, struct fuse_file_info *file,
		enum fuse_readdir_flags flags)
{
	(void)path, (void)at, (void)file, (void)flags;
	for (int i = 0; i < FILES; i++)
		if (names[i].path[0])
			fill(into, names[i].path + 1, NULL, 0, 0);
	return 0;
}

static int create(const char *path, mode_t mode, struct fuse_file_info *file)
{
	for (struct inode *inode = inodes; inode < inodes + FILES; inode++) {
		if (inode->names)
			continue;
		memset(inode, 0, sizeof(*inode));
		inode->mode = mode;
		file->fh = (uintptr_t)inode;
		return add_name(path, inode);
	}
	return -ENOSPC;
}

static int open_file(const char *path, struct fuse_file_info *file)
{
	const struct name *name = find(path);

	if (!name)
		return -ENOENT;
	file->fh = (uintptr_t)name->inode;
	return 0;
}

static int read_file(const char *path, char *into, size_t size, off_t at, struct fuse_file_info *file)
{
	const struct inode *inode = (const void *)(uintptr_t)file->fh;
	size_t from = (size_t)at;

	(void)path;
	if (from >= inode->size)
		return 0;
	if (size > inode->size - from)
		size = inode->size - from;
	memcpy(into, inode->content + from, size);
	return (int)size;
}

static int write_file(const char *path, const char *data, size_t size, off_t at, struct fuse_file_info *file)
{
	struct inode *inode = (void *)(uintptr_t)file->fh;

	(void)path;
	if (at > BYTES || size > (size_t)(BYTES - at))
		return -ENOSPC;
	memcpy(inode->content + at, data, size);
	if (inode->size < (size_t)at + size)
		inode->size = (size_t)at + size;
	return (int)size;
}

static int remove_name(const char *path)
{
	struct name *name = find(path);

	if (!name)
		return -ENOENT;
	name->inode->names--;
	memset(name, 0, sizeof(*name));
	return 0;
}

static int rename_file(const char *from, const char *to, unsigned int flags)
{
	struct name *name = find(from);

	if (!name || flags)
		return name ? -EINVAL : -ENOENT;
	if (strlen(to) >= NAME)
		return -ENAMETOOLONG;
	if (find(to))
		remove_name(to);
	strcpy(name->path, to);
	return 0;
}

static int link_file(const char *from, const char *to)
{
	const struct name *name = find(from);

	return name ? add_name(to, name->inode) : -ENOENT;
}

static const struct fuse_operations operations = {
	.init = start,
	.getattr = get_attributes,
	.readdir = list,
	.create = create,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.unlink = remove_name,
	.rename = rename_file,
	.link = link_file,
};

int main(int argc, char *argv[])
{
	return fuse_main(argc, argv, &operations, NULL);
}

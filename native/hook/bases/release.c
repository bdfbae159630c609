// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "release.h"

/* st_blocks counts blocks of this size, whatever the file system's own blocks are. */
#define BLOCK_BYTES 512
/*
 * With fewer free inodes than this, hardly any file can be made. A file system that makes inodes as it
 * needs them says 0 in f_files, or counts free blocks.
 */
#define FEW_INODES 64

/* src/image/layout.ts has this name, too. */
#define JOURNAL "journal.json"

/*
 * Whether a name is that of a base. The same pattern is in src/image/layout.ts. A folder that is called
 * ghostkeep may hold files of somebody else, so only exactly such names count.
 */
static bool is_base(const char *name)
{
	if (!strncmp(name, "base", 4))
		name += 4;
	else if (!strncmp(name, "rough", 5))
		name += 5;
	else
		return false;
	for (int part = 0; part < 3; part++) {
		size_t digits;

		if (*name++ != '-')
			return false;
		digits = strspn(name, "0123456789abcdef");
		if (digits < 1 || digits > 16)
			return false;
		name += digits;
	}
	return !strcmp(name, ".img");
}

/* Whether only we may write to the folder. If so, nobody else changes it between two of our calls. */
static bool is_ours_alone(const struct stat *folder)
{
	return S_ISDIR(folder->st_mode) && folder->st_uid == geteuid() &&
	       !(folder->st_mode & (S_IWGRP | S_IWOTH));
}

static bool is_own_file(const struct stat *file)
{
	return S_ISREG(file->st_mode) && file->st_nlink == 1 && file->st_uid == geteuid();
}

static int open_folder(const char *images, DIR **dir)
{
	char path[PATH_MAX];
	struct stat folder;
	int length = snprintf(path, sizeof(path), "%s/ghostkeep", images);
	int fd, error;

	if (length < 0 || (size_t)length >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &folder))
		error = -errno;
	else if (!is_ours_alone(&folder))
		error = -EPERM;
	else if ((*dir = fdopendir(fd)))
		return 0;
	else
		error = -errno;
	close(fd);
	return error;
}

int bases_look(const char *images, struct bases *bases)
{
	struct dirent *entry;
	struct statvfs room;
	DIR *dir;
	int error = open_folder(images, &dir);

	if (error)
		return error;
	*bases = (struct bases){ 0 };
	while ((errno = 0, entry = readdir(dir))) {
		struct stat file;

		if (!is_base(entry->d_name) ||
		    fstatat(dirfd(dir), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) || !is_own_file(&file))
			continue;
		bases->count++;
		bases->bytes += (uint64_t)file.st_blocks * BLOCK_BYTES;
	}
	error = -errno;
	if (!error && fstatvfs(dirfd(dir), &room))
		error = -errno;
	bases->has_journal = !faccessat(dirfd(dir), JOURNAL, F_OK, AT_SYMLINK_NOFOLLOW);
	closedir(dir);
	if (error)
		return error;
	bases->free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
	bases->lacks_inodes = room.f_files > 0 && room.f_favail < FEW_INODES;
	return 0;
}

/*
 * Remove a base that nobody has locked. It is cut to 0 bytes first, which gives its blocks back at once:
 * xfs frees the blocks of a removed file later, by a thread of its own.
 */
static bool release(int folder, const char *name)
{
	struct stat held, named;
	bool done = false;
	int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (!fstat(fd, &held) && is_own_file(&held) && !flock(fd, LOCK_EX | LOCK_NB) &&
	    !fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) && named.st_dev == held.st_dev &&
	    named.st_ino == held.st_ino && named.st_nlink == 1) {
		done = !ftruncate(fd, 0);
		done = !unlinkat(folder, name, 0) && done;
	}
	close(fd);
	return done;
}

int bases_release(const char *images)
{
	struct dirent *entry;
	DIR *dir;
	int released = 0, error;

	(void)alarm(LOOK_S);
	error = open_folder(images, &dir);
	if (error)
		return error;
	while ((entry = readdir(dir))) {
		(void)alarm(LOOK_S);
		if (is_base(entry->d_name) && release(dirfd(dir), entry->d_name))
			released++;
	}
	closedir(dir);
	return released;
}

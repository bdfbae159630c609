// SPDX-License-Identifier: MIT
/*
 * The rules are those of src/ghost/find/classify.ts and src/base/filesystems.ts. Where a rule there
 * needs a second look at the file, this one doubts at once. test/scenario/first-look.test.ts compares
 * what both say.
 */
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "look/judge.h"

#define FUSE_MAJOR 10 /* Documentation/admin-guide/devices.txt */
#define FUSE_MINOR 229

static bool begins_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

bool is_socket(const char *name)
{
	return begins_with(name, "socket:[");
}

bool is_watch(const char *name)
{
	return !strcmp(name, "anon_inode:inotify") || !strcmp(name, "anon_inode:[fanotify]");
}

bool is_below_shm(const char *path)
{
	static const char start[] = "/dev/shm/";

	return begins_with(path, start) && strchr(path + sizeof(start) - 1, '/');
}

bool has_no_file(const char *name)
{
	return is_socket(name) || begins_with(name, "pipe:[") || begins_with(name, "anon_inode:");
}

bool may_be_memory(const char *name)
{
	return begins_with(name, "/memfd:") || begins_with(name, "/SYSV") ||
	       !strcmp(name, "/dev/zero (deleted)");
}

static bool looks_deleted(const char *name)
{
	static const char suffix[] = " (deleted)";
	size_t length = strlen(name), tail = sizeof(suffix) - 1;

	return length >= tail && !strcmp(name + length - tail, suffix);
}

/* The beginnings of the names that file systems give to files which are removed while open. */
static bool looks_silly(const char *name)
{
	static const char *const silly[] = { ".nfs", ".fuse_hidden", ".ghost-ntfs-3g-", ".__afs",
					     ".__smbfile_silly" };
	const char *last = strrchr(name, '/');

	for (size_t i = 0; last && i < sizeof(silly) / sizeof(*silly); i++)
		if (!strncasecmp(last + 1, silly[i], strlen(silly[i])))
			return true;
	return false;
}

const char *why_doubted(const struct look_file *file)
{
	if (S_ISREG(file->mode) && file->is_memory && file->mount == MOUNT_UNKNOWN)
		return NULL;
	if (file->mount == MOUNT_UNKNOWN)
		return "its mount is not known, or may have a server";
	if (file->links == 0)
		return "it has no link";
	if (looks_deleted(file->name))
		return "its name is gone";
	if (looks_silly(file->name))
		return "its name is one that removed files get";
	if (S_ISREG(file->mode) && file->mount == MOUNT_OVERLAY && file->links != 1)
		return "it has several links on an overlay";
	if (file->mount == MOUNT_SHM && strcmp(file->name, "/dev/shm"))
		return "it is on a /dev/shm that the container shares";
	if (S_ISCHR(file->mode) && file->rdev_major == FUSE_MAJOR && file->rdev_minor == FUSE_MINOR)
		return "its process may be a FUSE server";
	return NULL;
}

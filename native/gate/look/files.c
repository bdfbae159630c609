// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "look/bound.h"
#include "look/files.h"
#include "look/judge.h"
#include "look/lines.h"
#include "look/open-dir.h"
#include "look/servers.h"

#define FILES_MAX 65536	 /* with more files the helper looks instead, which uses all processors */
#define NAME_BYTES 4096	 /* a longer link is a doubt */
#define FDINFO_BYTES 512 /* mnt_id is in the first lines. Source: fs/proc/fd.c, seq_show */
#define LABEL_BYTES 4096

static struct share share;
static uint32_t memory_major, memory_minor; /* 0:0, a number that no file has: it is not known */
static struct lines maps;

/* Learn the device number of the kernel's own file system for memory, by a memfd, which is a file there. */
void files_begin(const struct share *own)
{
	int fd = memfd_create("ghostkeep", MFD_CLOEXEC);
	struct statx st;

	share = *own;
	memory_major = memory_minor = 0;
	if (fd < 0)
		return;
	if (!statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st)) {
		memory_major = st.stx_dev_major;
		memory_minor = st.stx_dev_minor;
	}
	close(fd);
}

static int number_of(const char *name)
{
	char *end;
	long number;

	if (*name < '0' || *name > '9')
		return -1;
	errno = 0;
	number = strtol(name, &end, 10);
	return errno || *end || number > INT_MAX ? -1 : (int)number;
}

int each_number(struct look_result *result, int proc_fd, int pid, const char *folder, take_number take)
{
	struct dirent *entry;
	char path[32];
	DIR *dir;
	int ret = 0;

	snprintf(path, sizeof(path), "%d/%s", pid, folder);
	dir = open_dir(proc_fd, path, 0);
	if (!dir)
		return doubt(result, "cannot list %s: %s", path, strerror(errno));
	while (!ret && (errno = 0, entry = readdir(dir)))
		if (number_of(entry->d_name) >= 0)
			ret = take(result, proc_fd, pid, number_of(entry->d_name));
	if (!ret && errno)
		ret = doubt(result, "cannot list %s: %s", path, strerror(errno));
	closedir(dir);
	return ret;
}

static int read_name(struct look_result *result, int proc_fd, const char *path, char *name)
{
	ssize_t length = readlinkat(proc_fd, path, name, NAME_BYTES);

	if (length < 0 || length == NAME_BYTES)
		return doubt(result, "cannot read %s: %s", path, strerror(length < 0 ? errno : ENAMETOOLONG));
	name[length] = '\0';
	return 0;
}

/* Read the mount of a descriptor from its fdinfo, which does not touch the mounted file system. */
static int read_mount(struct look_result *result, int proc_fd, int pid, int fd, uint64_t *mount)
{
	char path[48], text[FDINFO_BYTES + 1];
	const char *at;
	char *end;
	ssize_t got;
	int info;

	snprintf(path, sizeof(path), "%d/fdinfo/%d", pid, fd);
	info = openat(proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (info < 0)
		return doubt(result, "cannot open %s: %s", path, strerror(errno));
	got = read_again(info, text, FDINFO_BYTES);
	close(info);
	text[got > 0 ? got : 0] = '\0';
	at = strstr(text, "\nmnt_id:\t");
	if (!at)
		return doubt(result, "%s tells no mount", path);
	at += strlen("\nmnt_id:\t");
	errno = 0;
	*mount = strtoull(at, &end, 10);
	if (errno || end == at || *end != '\n')
		return doubt(result, "%s tells no mount", path);
	return 0;
}

/* Judge the file that a link of /proc leads to. If known_mount is 0, statx(2) tells the file's mount. */
static int judge(struct look_result *result, int proc_fd, const char *path, const char *name,
		 uint64_t known_mount)
{
	const unsigned int needed = STATX_TYPE | STATX_NLINK | STATX_INO | STATX_MNT_ID;
	struct look_file file = { .name = name };
	const char *why;
	struct statx st;

	if (++result->files > FILES_MAX)
		return doubt(result, "there are more than %d open files", FILES_MAX);
	if (known_mount && mount_kind(known_mount) == MOUNT_UNKNOWN && !may_be_memory(name))
		return doubt(result, "%s (%.100s): its mount is not known, or may have a server", path, name);
	if (statx(proc_fd, path, AT_STATX_DONT_SYNC, needed, &st))
		return doubt(result, "cannot look at %s: %s", path, strerror(errno));
	if ((st.stx_mask & needed) != needed)
		return doubt(result, "%s (%.100s): the kernel does not tell enough of it", path, name);
	if (known_mount && known_mount != st.stx_mnt_id)
		return doubt(result, "%s (%.100s) has changed", path, name);
	file.mount = mount_kind(st.stx_mnt_id);
	file.mode = st.stx_mode;
	file.links = st.stx_nlink;
	file.rdev_major = st.stx_rdev_major;
	file.rdev_minor = st.stx_rdev_minor;
	file.is_memory = (memory_major || memory_minor) && st.stx_dev_major == memory_major &&
			 st.stx_dev_minor == memory_minor;
	why = why_doubted(&file);
	return why ? doubt(result, "%s (%.100s): %s", path, name, why) : 0;
}

static int look_at_link(struct look_result *result, int proc_fd, int pid, const char *link)
{
	char path[80], name[NAME_BYTES + 1];

	snprintf(path, sizeof(path), "%d/%s", pid, link);
	if (read_name(result, proc_fd, path, name))
		return DOUBT;
	return judge(result, proc_fd, path, name, 0);
}

/*
 * Look at a descriptor whose link does not lead to a file, but which may still need a file of a shared
 * /dev/shm: a watch, or a bound socket.
 */
static int look_behind(struct look_result *result, int pid, int fd, const char *path, const char *name)
{
	struct bound_file file;
	int ret;

	if (is_watch(name))
		return doubt(result, "%s may watch a file of a /dev/shm that is shared", path);
	if (!is_socket(name))
		return 0;
	ret = bound_file(pid, fd, &file);
	if (ret < 0)
		return doubt(result, "cannot learn where %s is bound: %s", path, strerror(-ret));
	if (ret && file.links && is_below_shm(file.path))
		return doubt(result, "%s is bound in a folder of a /dev/shm that is shared", path);
	return 0;
}

static int look_at_descriptor(struct look_result *result, int proc_fd, int pid, int fd)
{
	char path[48], name[NAME_BYTES + 1];
	uint64_t mount = 0;

	if (fd % share.count != share.index)
		return 0;
	snprintf(path, sizeof(path), "%d/fd/%d", pid, fd);
	if (read_name(result, proc_fd, path, name))
		return DOUBT;
	if (has_shared_shm() && look_behind(result, pid, fd, path, name))
		return DOUBT;
	if (has_no_file(name))
		return ++result->files > FILES_MAX ? doubt(result, "there are too many descriptors") : 0;
	/* if no mount has a server, fdinfo is not read, because statx(2) tells the mount in half the time */
	if (servers_are_there() && read_mount(result, proc_fd, pid, fd, &mount))
		return DOUBT;
	return judge(result, proc_fd, path, name, mount);
}

/*
 * Skip leading zeroes: /proc/PID/maps pads an address to 8 digits, and the names in map_files are not
 * padded. Source: fs/proc/base.c.
 */
static const char *without_zeroes(const char *digits)
{
	while (digits[0] == '0' && digits[1] && digits[1] != '-')
		digits++;
	return digits;
}

/*
 * Split a line of maps: address, permissions, offset, device, inode, path. The label is the part
 * from the device on, which all mappings of a file share. Returns false for another form.
 */
static bool split(char *line, char **address, char **label, char **inode, char **path)
{
	char *rest = line;

	*address = strsep(&rest, " ");
	if (!rest || !strsep(&rest, " ") || !rest || !strsep(&rest, " ") || !rest)
		return false;
	*label = rest;
	*inode = strchr(rest, ' ');
	if (!*inode)
		return false;
	*inode += 1;
	*path = *inode + strcspn(*inode, " ");
	*path += strspn(*path, " ");
	return strchr(*address, '-') != NULL;
}

/*
 * Look at the file of one mapping. A program maps a library in several pieces, one after the other. If
 * the line before was about the same file, as its label `last` tells, one look was enough.
 */
static int look_at_map(struct look_result *result, int proc_fd, int pid, char *line, char *last)
{
	char *address, *label, *inode, *path;
	char link[64];
	const char *end;

	if (!split(line, &address, &label, &inode, &path))
		return doubt(result, "the maps of process %d have a line in an unknown form", pid);
	/* the first segment of SysV shared memory has inode 0, too, but it has a path */
	if (inode[0] == '0' && (inode[1] == ' ' || !inode[1]) && *path != '/')
		return 0;
	if (!strcmp(label, last))
		return 0;
	end = strchr(address, '-') + 1;
	snprintf(link, sizeof(link), "map_files/%.*s-%s", (int)(end - 1 - without_zeroes(address)),
		 without_zeroes(address), without_zeroes(end));
	if (look_at_link(result, proc_fd, pid, link))
		return DOUBT;
	if (strlen(label) < LABEL_BYTES)
		strcpy(last, label);
	return 0;
}

static int look_at_maps(struct look_result *result, int proc_fd, int pid)
{
	char path[32], last[LABEL_BYTES] = "";
	char *line;
	int ret;

	snprintf(path, sizeof(path), "%d/maps", pid);
	ret = lines_open(&maps, proc_fd, path);
	if (ret)
		return doubt(result, "cannot open %s: %s", path, strerror(-ret));
	while ((ret = lines_next(&maps, &line)) > 0)
		if (look_at_map(result, proc_fd, pid, line, last))
			break;
	lines_close(&maps);
	if (ret < 0)
		return doubt(result, "cannot read %s: %s", path, strerror(-ret));
	return ret ? DOUBT : 0;
}

int look_at_files(struct look_result *result, int proc_fd, int pid)
{
	if (each_number(result, proc_fd, pid, "fd", look_at_descriptor))
		return DOUBT;
	if (share.index > 0)
		return 0;
	if (look_at_link(result, proc_fd, pid, "root") || look_at_link(result, proc_fd, pid, "cwd") ||
	    look_at_link(result, proc_fd, pid, "exe"))
		return DOUBT;
	return look_at_maps(result, proc_fd, pid);
}

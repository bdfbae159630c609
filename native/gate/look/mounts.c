// SPDX-License-Identifier: MIT
/*
 * The table lists the mounts that are surely local: no server is behind them. If a file is on any other
 * mount, the look is in doubt. Source of the format: proc_pid_mountinfo(5).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look/lines.h"
#include "look/mounts.h"
#include "look/open-dir.h"
#include "look/servers.h"

#define MOUNTS_MAX 8192
#define SHM_MAX 8
#define DEVICE_BYTES 24
#define PATH_BYTES 1024 /* a longer path is a doubt */

/* File systems without a server. src/base/filesystems.ts lists more, and a test compares both lists. */
static const char *const local[] = {
	"bcachefs", "binfmt_misc", "bpf",     "btrfs", "cgroup", "cgroup2", "configfs",	  "debugfs",
	"devpts",   "devtmpfs",	   "erofs",   "exfat", "ext2",	 "ext3",    "ext4",	  "f2fs",
	"fusectl",  "iso9660",	   "mqueue",  "proc",  "pstore", "ramfs",   "securityfs", "squashfs",
	"sysfs",    "tmpfs",	   "tracefs", "vfat",  "xfs",	 "zfs",
};

struct mount_line {
	uint64_t id;
	char *device, *root, *point, *type, *options;
};

static struct {
	uint32_t count;
	uint64_t ids[MOUNTS_MAX]; /* ascending, shifted by one bit, which is set for an overlay */
} table;

/* The mounts on the process's /dev/shm. There may be several, one over the other; the last is on top. */
static struct {
	int count;
	struct shm_mount {
		uint64_t id;
		char device[DEVICE_BYTES], root[PATH_BYTES];
		bool is_shared;		/* another mount, which we see, has the same file system */
		bool is_hosts;		/* it is the host's own /dev/shm, where any program may have files */
		char place[PATH_BYTES]; /* where we see this folder; empty: not known */
	} mounts[SHM_MAX];
} shm;

static struct lines lines;

/* Cut the next field off. Returns NULL where there is none. */
static char *field(char **rest)
{
	return strsep(rest, " ");
}

/* Returns false for a line in another form. */
static bool parse(char *line, struct mount_line *mount)
{
	char *rest = strstr(line, " - "), *left = line, *id, *end;

	if (!rest)
		return false;
	*rest = '\0';
	rest += strlen(" - ");
	id = field(&left);
	if (!field(&left)) /* the parent's id */
		return false;
	mount->device = field(&left);
	mount->root = field(&left);
	mount->point = field(&left);
	if (!mount->point || !left || strlen(mount->device) >= DEVICE_BYTES)
		return false;
	mount->type = field(&rest);
	if (!field(&rest) || !rest) /* the mount's source */
		return false;
	mount->options = rest;
	errno = 0;
	mount->id = strtoull(id, &end, 10);
	return !errno && end != id && !*end && mount->id <= UINT32_MAX;
}

static bool is_local(const char *type)
{
	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
		if (!strcmp(type, local[i]))
			return true;
	return false;
}

/* The place in the table of the first id that is not smaller than this one. */
static uint32_t place_of(uint64_t id)
{
	uint32_t low = 0, high = table.count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table.ids[middle] >> 1 < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(uint32_t place, uint64_t id)
{
	return place < table.count && table.ids[place] >> 1 == id;
}

static int add(struct look_result *result, uint64_t id, bool is_overlay)
{
	uint32_t place = place_of(id);

	if (has(place, id))
		return 0;
	if (table.count == MOUNTS_MAX)
		return doubt(result, "there are more than %d mounts", MOUNTS_MAX);
	memmove(table.ids + place + 1, table.ids + place, (table.count - place) * sizeof(*table.ids));
	table.ids[place] = id << 1 | is_overlay;
	table.count++;
	return 0;
}

static void forget(uint64_t id)
{
	uint32_t place = place_of(id);

	if (!has(place, id))
		return;
	table.count--;
	memmove(table.ids + place, table.ids + place + 1, (table.count - place) * sizeof(*table.ids));
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && !strcmp(text + length - tail, end);
}

static int add_mount(struct look_result *result, const struct mount_line *mount)
{
	bool is_overlay = !strcmp(mount->type, "overlay");

	if (is_overlay || is_local(mount->type))
		return add(result, mount->id, is_overlay);
	servers_add(mount->point);
	return 0;
}

/* Forget an overlay that may have a layer on a server. All mounts with a server must be known by now. */
static int judge_overlay(struct look_result *result, const struct mount_line *mount)
{
	(void)result;
	if (!strcmp(mount->type, "overlay") && servers_may_have(mount->options))
		forget(mount->id);
	return 0;
}

static int note_shm(struct look_result *result, const struct mount_line *mount)
{
	if (strcmp(mount->point, "/dev/shm") || strcmp(mount->type, "tmpfs"))
		return 0;
	if (shm.count == SHM_MAX)
		return doubt(result, "there are more than %d mounts at /dev/shm", SHM_MAX);
	if (strlen(mount->root) >= PATH_BYTES)
		return doubt(result, "the path of /dev/shm in its file system is too long");
	memset(&shm.mounts[shm.count], 0, sizeof(*shm.mounts));
	shm.mounts[shm.count].id = mount->id;
	strcpy(shm.mounts[shm.count].root, mount->root);
	strcpy(shm.mounts[shm.count++].device, mount->device);
	return 0;
}

/* Note where we see the process's /dev/shm, as src/ghost/mounts/on-shm.ts does. */
static void note_place(struct shm_mount *theirs, const struct mount_line *ours)
{
	size_t length = strcmp(ours->root, "/") ? strlen(ours->root) : 0;
	const char *rest = strcmp(theirs->root, "/") ? theirs->root + length : "";
	char *place = theirs->place;

	if (strncmp(theirs->root, ours->root, length) || (*rest && *rest != '/'))
		return;
	theirs->is_hosts |= !*rest && !strcmp(ours->point, "/dev/shm");
	if (*place)
		return;
	/* behind a backslash mountinfo writes a byte as digits, and such a path is left out */
	if (snprintf(place, PATH_BYTES, "%s%s", ours->point, rest) >= PATH_BYTES || strchr(place, '\\'))
		*place = '\0';
}

/* Add a mount of ours. If another mount of ours has a container's /dev/shm, CRIU leaves out its files. */
static int add_ours(struct look_result *result, const struct mount_line *mount)
{
	for (int i = 0; i < shm.count; i++) {
		if (shm.mounts[i].id == mount->id)
			shm.mounts[i].id = 0; /* forget it: a mount that is ours as well is no container's */
		else if (!strcmp(shm.mounts[i].device, mount->device))
			shm.mounts[i].is_shared = true;
		else
			continue;
		note_place(&shm.mounts[i], mount);
	}
	return add_mount(result, mount);
}

static int add_theirs(struct look_result *result, const struct mount_line *mount)
{
	/* fs/d_path.c writes this where the source of a mount was removed, of which the helper warns */
	if (ends_with(mount->root, "//deleted"))
		return doubt(result, "the source of the mount at %.100s is gone", mount->point);
	return note_shm(result, mount) ? DOUBT : add_mount(result, mount);
}

typedef int take_mount(struct look_result *result, const struct mount_line *mount);

static int each_mount(struct look_result *result, int proc_fd, const char *path, take_mount *take)
{
	struct mount_line mount;
	char *line;
	int ret = lines_open(&lines, proc_fd, path);

	if (ret)
		return doubt(result, "cannot open %s: %s", path, strerror(-ret));
	while ((ret = lines_next(&lines, &line)) > 0) {
		if (!parse(line, &mount)) {
			ret = doubt(result, "%s has a line in an unknown form", path);
			break;
		}
		if (take(result, &mount)) {
			ret = DOUBT;
			break;
		}
	}
	lines_close(&lines);
	if (ret)
		return doubt(result, "cannot read %s: %s", path, strerror(-ret));
	return 0;
}

int mounts_read(struct look_result *result, int proc_fd, int pid)
{
	char path[32];

	table.count = 0;
	shm.count = 0;
	servers_clear();
	snprintf(path, sizeof(path), "%d/mountinfo", pid);
	if (each_mount(result, proc_fd, path, add_theirs) ||
	    each_mount(result, proc_fd, "self/mountinfo", add_ours))
		return DOUBT;
	if (!servers_are_there())
		return 0;
	if (each_mount(result, proc_fd, path, judge_overlay) ||
	    each_mount(result, proc_fd, "self/mountinfo", judge_overlay))
		return DOUBT;
	return 0;
}

bool has_shared_shm(void)
{
	for (int i = 0; i < shm.count; i++)
		if (shm.mounts[i].id && shm.mounts[i].is_shared)
			return true;
	return false;
}

int look_at_shm(struct look_result *result)
{
	const struct shm_mount *top = shm.count ? &shm.mounts[shm.count - 1] : NULL;
	int empty;

	if (!top || !top->id || !top->is_shared || top->is_hosts)
		return 0;
	empty = *top->place ? folder_is_empty(top->place, top->device) : -ENAMETOOLONG;
	if (empty < 0)
		return doubt(result, "cannot list the shared /dev/shm: %s", strerror(-empty));
	if (!empty)
		return doubt(result, "there is something on the shared /dev/shm");
	return 0;
}

enum mount_kind mount_kind(uint64_t id)
{
	uint32_t place = place_of(id);

	if (!has(place, id))
		return MOUNT_UNKNOWN;
	for (int i = 0; i < shm.count; i++)
		if (shm.mounts[i].id == id && shm.mounts[i].is_shared)
			return MOUNT_SHM;
	return table.ids[place] & 1 ? MOUNT_OVERLAY : MOUNT_LOCAL;
}

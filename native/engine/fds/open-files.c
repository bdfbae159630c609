// SPDX-License-Identifier: MIT
/*
 * Looks through the descriptors of a process, which may be a million. Almost none of them is a ghost.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/report.h"
#include "fds/open-files.h"

#define SUSPECT (UINT64_C(1) << 63) /* these bits are set in gk_open_file.fd until the entries are sorted */
#define NO_FILE (UINT64_C(1) << 62)
#define CARRIER (UINT64_C(1) << 61)
#define LIST_BYTES 32768
#define LINK_BYTES 4097	   /* a link in /proc shows at most a page; a longer path is an error */
#define WORTH_A_THREAD 256 /* starting a thread costs about as much as 20 descriptors */

/* The kernel appends this to a name that no longer leads to its file. Source: fs/d_path.c. */
static const char deleted[] = " (deleted)";

/*
 * The beginnings of names that file systems give to files removed while open. The caller decides
 * whether a file is one of these: src/base/filesystems.ts has the complete forms.
 */
static const char *const silly[] = {
	".nfs", ".fuse_hidden", ".ghost-ntfs-3g-", ".__afs", ".__smbfile_silly",
};

struct part {
	int dir_fd;
	struct local local;
	struct gk_open_file *files;
	uint32_t count;
};

static int looks_lost(const char *target, size_t used)
{
	const char *name = strrchr(target, '/');

	if (used >= sizeof(deleted) - 1 &&
	    !memcmp(target + used - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1))
		return 1;
	for (size_t i = 0; name && i < sizeof(silly) / sizeof(*silly); i++)
		if (!strncasecmp(name + 1, silly[i], strlen(silly[i])))
			return 1;
	return 0;
}

/*
 * Returns the kind of a descriptor that is no file with a path (socket, pipe, eventfd), or 0 for a file.
 * Sockets and io_urings may hold files, and inotify and fanotify watch files. To find out which costs a
 * look at fdinfo, which not every caller wants. A path begins with a slash, so no name that a container
 * chooses looks like one of these.
 */
static uint64_t kind_of(const char *target)
{
	static const struct {
		const char *start;
		uint64_t kind;
	} others[] = {
		{ "socket:[", CARRIER },
		{ "anon_inode:[io_uring]", CARRIER },
		{ "anon_inode:inotify", CARRIER },
		{ "anon_inode:[fanotify]", CARRIER },
		{ "pipe:[", NO_FILE },
		{ "anon_inode:", NO_FILE },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strncmp(target, others[i].start, strlen(others[i].start)))
			return others[i].kind;
	return 0;
}

static int is_local(const struct local *local, uint64_t id)
{
	uint32_t low = 0, high = local->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (local->ids[middle] == id)
			return 1;
		if (local->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static int is_presumed(const struct local *local, uint64_t fd)
{
	uint32_t low = 0, high = local->presumed_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (local->presumed[middle] == fd)
			return 1;
		if (local->presumed[middle] < fd)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/*
 * Look at a descriptor, and mark it if it is a suspect. A descriptor that cannot be examined is one: the
 * caller looks at it and meets the same error. With AT_STATX_DONT_SYNC, a network or FUSE file system
 * answers from its cache. A cached link count proves nothing, because another client may have removed
 * the last name. So every regular file there is a suspect, too, and nothing is lost by not asking the
 * server here.
 */
static void look(int dir_fd, struct local local, struct gk_open_file *file)
{
	char target[LINK_BYTES + 1];
	char name[24];
	struct statx st;
	ssize_t length;
	uint64_t kind;

	if (is_presumed(&local, file->fd)) {
		file->fd |= SUSPECT;
		return;
	}
	snprintf(name, sizeof(name), "%llu", (unsigned long long)file->fd);
	length = readlinkat(dir_fd, name, target, LINK_BYTES);
	if (length < 0 || length == LINK_BYTES) {
		file->fd |= SUSPECT;
		return;
	}
	target[length] = '\0';
	kind = kind_of(target);
	if (kind) {
		file->fd |= kind;
		return;
	}
	if (statx(dir_fd, name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_NLINK | STATX_INO | STATX_MNT_ID,
		  &st)) {
		file->fd |= SUSPECT;
		return;
	}
	file->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	file->ino = st.stx_ino;
	/* a device may be /dev/fuse or a loop device, and the caller needs to know about these */
	if (st.stx_nlink == 0 || S_ISCHR(st.stx_mode) || S_ISBLK(st.stx_mode) ||
	    (S_ISREG(st.stx_mode) &&
	     (looks_lost(target, (size_t)length) || !is_local(&local, st.stx_mnt_id))))
		file->fd |= SUSPECT;
}

void look_at_open_files(int dir_fd, struct local local, struct gk_open_file *files, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		look(dir_fd, local, &files[i]);
}

static void *look_at_all(void *argument)
{
	const struct part *part = argument;

	look_at_open_files(part->dir_fd, part->local, part->files, part->count);
	return NULL;
}

/* Look at half of the files on another thread. If none can be started, look at all of them on this one. */
static void look_in_parallel(int dir_fd, struct local local, struct gk_open_file *files, uint32_t count)
{
	struct part mine = { dir_fd, local, files, count };
	struct part other = { dir_fd, local, NULL, 0 };
	pthread_t thread;
	int started = 0;

	if (count >= WORTH_A_THREAD) {
		other.count = count / 2;
		other.files = files + count - other.count;
		started = !pthread_create(&thread, NULL, look_at_all, &other);
		if (started)
			mine.count -= other.count;
	}
	look_at_all(&mine);
	if (started)
		pthread_join(thread, NULL);
}

static int parse_number(const char *name, uint64_t *number)
{
	char *end;

	if (*name < '0' || *name > '9')
		return 0;
	errno = 0;
	*number = strtoull(name, &end, 10);
	return !errno && !*end && *number <= UINT32_MAX;
}

/* List the next numbers of the directory, and leave its offset behind the last number that was taken. */
int list_open_files(int dir_fd, struct gk_open_file *files, uint32_t capacity, uint32_t *count)
{
	char buffer[LIST_BYTES] __attribute__((aligned(8)));
	long length;

	*count = 0;
	while (*count < capacity) {
		length = syscall(SYS_getdents64, dir_fd, buffer, sizeof(buffer));
		if (length < 0)
			return -errno;
		if (length == 0)
			return 0;
		for (long at = 0; at < length;) {
			const struct dirent64 *entry = (const void *)(buffer + at);

			at += entry->d_reclen;
			if (parse_number(entry->d_name, &files[*count].fd))
				*count += 1;
			if (*count == capacity) {
				if (at < length && lseek(dir_fd, entry->d_off, SEEK_SET) < 0)
					return -errno;
				return 0;
			}
		}
	}
	return 0;
}

void sort_open_files(struct gk_open_file *files, uint32_t *suspects, uint32_t *carriers,
		     struct gk_open_counts *counts)
{
	counts->files = 0;
	counts->suspects = 0;
	counts->carriers = 0;
	for (uint32_t i = 0; i < counts->looked; i++) {
		if (files[i].fd & SUSPECT)
			suspects[counts->suspects++] = (uint32_t)files[i].fd;
		else if (files[i].fd & CARRIER)
			carriers[counts->carriers++] = (uint32_t)files[i].fd;
		else if (!(files[i].fd & NO_FILE))
			files[counts->files++] = files[i];
	}
}

GK_PUBLIC int gk_open_files(int dir_fd, const struct gk_open_room *room, const uint64_t *local,
			    const uint32_t *presumed, struct gk_open_file *files, uint32_t *suspects,
			    uint32_t *carriers, struct gk_open_counts *counts, struct gk_report *report)
{
	struct local known = { local, room->local, presumed, room->presumed };
	int err;

	memset(report, 0, sizeof(*report));
	memset(counts, 0, sizeof(*counts));
	err = list_open_files(dir_fd, files, room->capacity, &counts->looked);
	if (err)
		return fail(report, err, 0, "cannot list the descriptors of a process");
	look_in_parallel(dir_fd, known, files, counts->looked);
	sort_open_files(files, suspects, carriers, counts);
	return 0;
}

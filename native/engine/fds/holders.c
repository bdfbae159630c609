// SPDX-License-Identifier: MIT
/*
 * Finds out which processes hold some files. A child looks: reading maps waits for a lock of the process
 * that is looked at, and that process may be waiting for a dead server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/in-child.h"
#include "base/report.h"
#include "fds/open-files.h"

#define PORTION 1024 /* descriptors that are listed at once */
#define PATH_BYTES 32
#define READ_BYTES 8192
#define HEAD_BYTES 128 /* all of a line of maps but its path: two addresses, an offset, a device, an inode */
#define MOST_NAMESPACES 1024 /* processes in others are all looked at */

/* A mount namespace, and whether it shows the file system of one of the files. */
struct namespace
{
	uint64_t ino;
	int shows;
};

/* It lies in shared memory, and gk_sought lies behind it. */
struct search {
	const uint32_t *pids;
	uint32_t pid_count, count;
	uint32_t looked, found;
	struct namespace namespaces[MOST_NAMESPACES];
	uint32_t namespace_count;
	struct gk_sought files[];
};

/* Files are in the order of their devices, and of their inodes on each device. */
static int is_before(const struct gk_sought *file, uint64_t dev, uint64_t ino)
{
	return file->dev < dev || (file->dev == dev && file->ino < ino);
}

/* The first file that is not before the given one; NULL where there is none. */
static struct gk_sought *first_from(struct search *search, uint64_t dev, uint64_t ino)
{
	uint32_t low = 0, high = search->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (is_before(&search->files[middle], dev, ino))
			low = middle + 1;
		else
			high = middle;
	}
	return low < search->count ? &search->files[low] : NULL;
}

/* A file with several names is sought several times. */
static void note(struct search *search, uint64_t dev, uint64_t ino, uint32_t pid)
{
	const struct gk_sought *end = &search->files[search->count];

	for (struct gk_sought *file = first_from(search, dev, ino);
	     file && file < end && file->dev == dev && file->ino == ino; file++) {
		search->found += !file->pid;
		file->pid = pid;
	}
}

static void look_through(struct search *search, int dir_fd, const char *name, uint32_t pid)
{
	struct statx st;

	if (!statx(dir_fd, name, AT_STATX_DONT_SYNC, STATX_INO, &st))
		note(search, makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino, pid);
}

static void look_at_descriptors(struct search *search, int proc_fd, uint32_t pid)
{
	int dir_fd = openat(proc_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct gk_open_file fds[PORTION];
	char name[PATH_BYTES];
	uint32_t count;

	if (dir_fd < 0)
		return;
	do {
		if (list_open_files(dir_fd, fds, PORTION, &count))
			break;
		for (uint32_t i = 0; i < count; i++) {
			snprintf(name, sizeof(name), "%llu", (unsigned long long)fds[i].fd);
			look_through(search, dir_fd, name, pid);
		}
	} while (count == PORTION);
	close(dir_fd);
}

/* Returns what comes behind so many words of a line; NULL where there is nothing. */
static const char *behind(const char *line, int words)
{
	for (; words > 0 && line; words--) {
		line = strchr(line, ' ');
		line += line ? 1 : 0;
	}
	return line;
}

/* Gets the beginning of a line, which is enough for all that we read. Returns 1 if no more are wanted. */
typedef int take_line(struct search *search, const char *line, uint32_t pid);

/* A line of maps has: addresses, permissions, offset, device, inode, path. Source: proc_pid_maps(5) */
static int take_map(struct search *search, const char *line, uint32_t pid)
{
	const char *device = behind(line, 3);
	uint64_t major, minor, ino;
	char *end;

	if (!device)
		return 0;
	major = strtoull(device, &end, 16);
	if (*end != ':')
		return 0;
	minor = strtoull(end + 1, &end, 16);
	ino = strtoull(end, &end, 10);
	if (ino)
		note(search, makedev((unsigned int)major, (unsigned int)minor), ino, pid);
	return search->found == search->count;
}

/* A line of mountinfo has: id, id of the parent, device, root. Source: proc_pid_mountinfo(5) */
static int take_mount(struct search *search, const char *line, uint32_t pid)
{
	const char *device = behind(line, 2);
	struct gk_sought *file;
	uint64_t major, dev;
	char *end;

	(void)pid;
	if (!device)
		return 0;
	major = strtoull(device, &end, 10);
	if (*end != ':')
		return 0;
	dev = makedev((unsigned int)major, (unsigned int)strtoull(end + 1, &end, 10));
	file = first_from(search, dev, 0);
	return file && file->dev == dev;
}

/* Returns 1 if take has returned 1 for a line. */
static int each_line(struct search *search, int proc_fd, const char *name, uint32_t pid, take_line *take)
{
	int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	char bytes[READ_BYTES], head[HEAD_BYTES];
	size_t used = 0;
	ssize_t got = 0;
	int enough = 0;

	if (fd < 0)
		return 0;
	while (!enough && (got = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < got && !enough; i++) {
			if (bytes[i] != '\n') {
				if (used < sizeof(head) - 1)
					head[used++] = bytes[i];
				continue;
			}
			head[used] = '\0';
			used = 0;
			enough = take(search, head, pid);
		}
	}
	close(fd);
	return enough;
}

/*
 * Most processes of a host are in containers that do not have the file system, and cannot have opened the
 * files. One look at a mount namespace is enough for all processes in it.
 */
static int may_hold(struct search *search, int proc_fd, uint32_t pid)
{
	struct namespace *namespace;
	struct statx st;

	if (statx(proc_fd, "ns/mnt", AT_STATX_DONT_SYNC, STATX_INO, &st))
		return 1;
	for (uint32_t i = 0; i < search->namespace_count; i++)
		if (search->namespaces[i].ino == st.stx_ino)
			return search->namespaces[i].shows;
	if (search->namespace_count == MOST_NAMESPACES)
		return 1;
	namespace = &search->namespaces[search->namespace_count++];
	namespace->ino = st.stx_ino;
	namespace->shows = each_line(search, proc_fd, "mountinfo", pid, take_mount);
	return namespace->shows;
}

static void look_at_process(struct search *search, uint32_t pid)
{
	char path[PATH_BYTES];
	int proc_fd;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		return; /* it has ended */
	if (may_hold(search, proc_fd, pid)) {
		look_at_descriptors(search, proc_fd, pid);
		look_through(search, proc_fd, "exe", pid);
		look_through(search, proc_fd, "cwd", pid);
		look_through(search, proc_fd, "root", pid);
		if (search->found < search->count)
			each_line(search, proc_fd, "maps", pid, take_map);
	}
	close(proc_fd);
}

/* This runs in the child. */
static void look_at_all(void *about)
{
	struct search *search = about;

	while (search->looked < search->pid_count && search->found < search->count) {
		look_at_process(search, search->pids[search->looked]);
		__atomic_store_n(&search->looked, search->looked + 1, __ATOMIC_RELEASE);
	}
}

GK_PUBLIC int gk_find_holders(const uint32_t *pids, uint32_t pid_count, struct gk_sought *files,
			      uint32_t count, uint32_t wait_ms, uint32_t *complete, struct gk_report *report)
{
	size_t file_bytes = (size_t)count * sizeof(*files), bytes = sizeof(struct search) + file_bytes;
	struct search *search;
	struct child child;
	int err;

	memset(report, 0, sizeof(*report));
	*complete = 0;
	search = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (search == MAP_FAILED)
		return fail(report, -errno, 0, "cannot look for the holders of %u files", count);
	search->pids = pids;
	search->pid_count = pid_count;
	search->count = count;
	memcpy(search->files, files, file_bytes);
	err = child_start(&child, look_at_all, search);
	if (!err) {
		child_has_ended(&child, (int)wait_ms);
		child_end(&child);
		*complete = __atomic_load_n(&search->looked, __ATOMIC_ACQUIRE) == pid_count ||
			    search->found == count;
		memcpy(files, search->files, file_bytes);
	}
	munmap(search, bytes);
	return err ? fail(report, err, 0, "cannot start a process that looks for holders") : 0;
}

// SPDX-License-Identifier: MIT
/*
 * The gate's first look without its child process. Each line of stdin is FOLDER PID: FOLDER is /proc
 * or looks like it. The answer to each line is `nothing` or the reason for the doubt. The first line
 * of stdout is the device of the kernel's own memory.
 *
 * In a made-up folder, links of descriptors lead nowhere, and no thread exists. There the file
 * `stats` says what statx(2) and kcmp(2) would: `PATH ERROR MODE LINKS MAJOR:MINOR RDEV MOUNT`, `bound
 * PATH LINKS NAME` for a socket, `apart TID` for a thread with descriptors of its own, and `used FOLDER DEVICE` for a
 * folder that is not empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "look/bound.h"
#include "look/open-dir.h"
#include "look/processes.h"
#include "look/same-files.h"

int __real_statx(int dir_fd, const char *path, int flags, unsigned int mask, struct statx *st);
int __wrap_statx(int dir_fd, const char *path, int flags, unsigned int mask, struct statx *st);
bool __real_has_same_files(int pid, int tid);
bool __wrap_has_same_files(int pid, int tid);
int __real_bound_file(int pid, int fd, struct bound_file *file);
int __wrap_bound_file(int pid, int fd, struct bound_file *file);
int __real_folder_is_empty(const char *path, const char *device);
int __wrap_folder_is_empty(const char *path, const char *device);

static char stats[64 * 1024]; /* empty: this is /proc */

/* The text behind key in stats, or NULL. */
static const char *stat_of(const char *key)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", key);
	at = strstr(stats, line);
	return at ? at + strlen(line) : NULL;
}

int __wrap_statx(int dir_fd, const char *path, int flags, unsigned int mask, struct statx *st)
{
	unsigned int error, mode, links, major, minor, rdev_major, rdev_minor, mount;
	const char *line = stat_of(path);

	if (!stats[0] || (flags & AT_EMPTY_PATH))
		return __real_statx(dir_fd, path, flags, mask, st);
	if (!(flags & AT_STATX_DONT_SYNC) || !line ||
	    sscanf(line, "%u %o %u %u:%u %u:%u %u", &error, &mode, &links, &major, &minor, &rdev_major,
		   &rdev_minor, &mount) != 8)
		abort();
	memset(st, 0, sizeof(*st));
	st->stx_mask = mask;
	st->stx_mode = mode;
	st->stx_nlink = links;
	st->stx_dev_major = major;
	st->stx_dev_minor = minor;
	st->stx_rdev_major = rdev_major;
	st->stx_rdev_minor = rdev_minor;
	st->stx_mnt_id = mount;
	errno = error;
	return error ? -1 : 0;
}

int __wrap_bound_file(int pid, int fd, struct bound_file *file)
{
	const char *line;
	char key[48];

	if (!stats[0])
		return __real_bound_file(pid, fd, file);
	snprintf(key, sizeof(key), "bound %d/fd/%d", pid, fd);
	line = stat_of(key);
	return line && sscanf(line, "%u %4095s", &file->links, file->path) == 2;
}

int __wrap_folder_is_empty(const char *path, const char *device)
{
	char key[128];

	snprintf(key, sizeof(key), "used %s %s", path, device);
	return stats[0] ? !stat_of(key) : __real_folder_is_empty(path, device);
}

bool __wrap_has_same_files(int pid, int tid)
{
	char key[32];

	snprintf(key, sizeof(key), "apart %d", tid);
	return stats[0] ? !stat_of(key) : __real_has_same_files(pid, tid);
}

static void read_stats(int folder)
{
	int fd = openat(folder, "stats", O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, stats, sizeof(stats) - 1);

	if (got < 0 || got == sizeof(stats) - 1)
		abort();
	stats[got] = '\0';
	if (fd >= 0)
		close(fd);
}

static void print_memory(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	struct statx st;

	if (fd < 0 || __real_statx(fd, "", AT_EMPTY_PATH, STATX_INO, &st))
		abort();
	printf("%u:%u\n", st.stx_dev_major, st.stx_dev_minor);
	fflush(stdout);
	close(fd);
}

/*
 * True if the look sees nothing when COUNT processes divide the descriptors between them. *result
 * gets the reason of the first doubt.
 */
static bool sees_nothing(struct look_result *result, int fd, int pid, int count)
{
	bool nothing = true;

	memset(result, 0, sizeof(*result));
	for (int i = 0; i < count; i++) {
		const struct share own = { i, count };

		if (look_at_processes(result, fd, pid, &own))
			nothing = false;
	}
	return nothing;
}

int main(void)
{
	static struct look_result alone, shared;
	char folder[256];
	int pid;

	print_memory();
	while (scanf("%255s %d", folder, &pid) == 2) {
		int fd = open(folder, O_RDONLY | O_DIRECTORY);

		if (fd < 0)
			abort();
		read_stats(fd);
		if (!sees_nothing(&alone, fd, pid, 1))
			printf("doubt: %s\n", alone.why);
		else
			printf("nothing\n");
		if (sees_nothing(&shared, fd, pid, 2) != !alone.why[0])
			abort();
		fflush(stdout);
		close(fd);
	}
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * Finds threads whose descriptors are not those in /proc/PID/fd. Either such a thread has called
 * unshare(CLONE_FILES), or the main thread has ended and the other threads live on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/report.h"
#include "fds/open-files.h"

#define PORTION 256 /* threads */

/* One thread for each table, in the order in which the kernel sorts the tables; or all threads. */
struct tables {
	uint32_t *tids;
	uint32_t count, room;
	int all;
};

/*
 * Compare the tables of two threads. Returns 0 when they share one, 1 when the table of `one` comes
 * first, 2 when that of `other` comes first, or a negative errno. Source: kcmp(2).
 */
static int compare(uint32_t one, uint32_t other)
{
	long order = syscall(SYS_kcmp, one, other, KCMP_FILES, 0UL, 0UL);

	return order < 0 ? -errno : (int)order;
}

/*
 * Add a thread, unless a thread with the same table is there. Its place is found by bisection, because
 * a process may have many thousand threads, each with its own table.
 */
static int add(struct tables *tables, uint32_t tid)
{
	uint32_t low = 0, high = tables->count;

	while (!tables->all && low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare(tables->tids[middle], tid);

		/*
		 * if this thread has ended, it is left out; if the other thread has ended, this
		 * one is kept, perhaps twice
		 */
		if (order == -ESRCH && compare(tid, tid) != 0)
			return 0;
		if (order == -ESRCH)
			break;
		if (order <= 0)
			return order;
		if (order == 1)
			low = middle + 1;
		else
			high = middle;
	}
	if (tables->count == tables->room)
		return -E2BIG;
	memmove(tables->tids + low + 1, tables->tids + low, (tables->count - low) * sizeof(tid));
	tables->tids[low] = tid;
	tables->count++;
	return 0;
}

static int add_all(struct tables *tables, int task_fd, uint32_t pid)
{
	struct gk_open_file threads[PORTION];
	uint32_t count;
	int err;

	do {
		err = list_open_files(task_fd, threads, PORTION, &count);
		for (uint32_t i = 0; !err && i < count; i++)
			if (threads[i].fd != pid)
				err = add(tables, (uint32_t)threads[i].fd);
	} while (!err && count == PORTION);
	return err;
}

static int find_tables(struct tables *tables, uint32_t pid)
{
	char path[32];
	int err, task_fd;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	task_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (task_fd < 0)
		return -errno;
	tables->tids[0] = pid;
	tables->count = 1;
	err = add_all(tables, task_fd, pid);
	close(task_fd);
	return err;
}

GK_PUBLIC int gk_fd_tables(uint32_t pid, uint32_t capacity, uint32_t *tids, uint32_t *count,
			   struct gk_report *report)
{
	AUTO_FREE uint32_t *found = malloc(((size_t)capacity + 1) * sizeof(*found));
	struct tables tables = { .tids = found, .room = capacity + 1 };
	int err = found ? find_tables(&tables, pid) : -ENOMEM;

	memset(report, 0, sizeof(*report));
	*count = 0;
	/*
	 * kcmp(2) is missing or forbidden, for example by Docker's seccomp filter: then every
	 * thread counts as having its own table
	 */
	if (err == -ENOSYS || err == -EPERM) {
		tables.all = 1;
		err = find_tables(&tables, pid);
	}
	if (err == -E2BIG)
		return fail(report, err, 0, "process %u has more than %u tables of descriptors", pid,
			    capacity);
	if (err)
		return fail(report, err, 0, "cannot compare the threads of process %u", pid);
	for (uint32_t i = 0; i < tables.count; i++)
		if (found[i] != pid)
			tids[(*count)++] = found[i];
	return 0;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "look/files.h"
#include "look/lines.h"
#include "look/mounts.h"
#include "look/processes.h"
#include "look/same-files.h"

#define THREADS_MAX 16384
#define NAMESPACE_BYTES 64
#define PORTION 4096

static int threads;

static int read_namespace(struct look_result *result, int proc_fd, int pid, char *name)
{
	char path[32];
	ssize_t length;

	snprintf(path, sizeof(path), "%d/ns/mnt", pid);
	length = readlinkat(proc_fd, path, name, NAMESPACE_BYTES - 1);
	if (length <= 0 || length == NAMESPACE_BYTES - 1)
		return doubt(result, "cannot tell the mount namespace of process %d", pid);
	name[length] = '\0';
	return 0;
}

static int add_process(struct look_result *result, long pid)
{
	for (int i = 0; i < result->count; i++)
		if (result->pids[i] == pid)
			return 0;
	if (result->count == LOOK_PROCESSES_MAX)
		return doubt(result, "there are more than %d processes", LOOK_PROCESSES_MAX);
	result->pids[result->count++] = (int)pid;
	return 0;
}

/* Read the children of a thread: numbers with a space behind each. Source: proc_tid_children(5). */
static int add_children(struct look_result *result, int children_fd)
{
	char text[PORTION];
	long pid = 0;
	ssize_t got;

	while ((got = read_again(children_fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (text[i] >= '0' && text[i] <= '9' && pid <= 1 << 24) {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (text[i] != ' ' || !pid)
				return doubt(result, "a list of children has an unknown form");
			if (add_process(result, pid))
				return DOUBT;
			pid = 0;
		}
	}
	if (got < 0)
		return doubt(result, "cannot read a list of children: %s", strerror((int)-got));
	return pid ? doubt(result, "a list of children has no end") : 0;
}

static int look_at_thread(struct look_result *result, int proc_fd, int pid, int tid)
{
	char path[48];
	int fd, ret;

	if (++threads > THREADS_MAX)
		return doubt(result, "there are more than %d threads", THREADS_MAX);
	if (tid != pid && !has_same_files(pid, tid))
		return doubt(result, "thread %d of process %d may have descriptors of its own", tid, pid);
	snprintf(path, sizeof(path), "%d/task/%d/children", pid, tid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return doubt(result, "cannot open %s: %s", path, strerror(errno));
	ret = add_children(result, fd);
	close(fd);
	return ret;
}

int look_at_processes(struct look_result *result, int proc_fd, int root, const struct share *own)
{
	char namespace[NAMESPACE_BYTES], other[NAMESPACE_BYTES];

	threads = 0;
	result->files = result->count = 0;
	files_begin(own);
	if (read_namespace(result, proc_fd, root, namespace) || mounts_read(result, proc_fd, root) ||
	    (own->index == 0 && look_at_shm(result)) || add_process(result, root))
		return DOUBT;
	/* the list grows during this loop: the children of a process are added at its end */
	for (int i = 0; i < result->count; i++) {
		int pid = result->pids[i];

		if (read_namespace(result, proc_fd, pid, other))
			return DOUBT;
		if (strcmp(namespace, other))
			return doubt(result, "process %d is in another mount namespace", pid);
		if (look_at_files(result, proc_fd, pid) ||
		    each_number(result, proc_fd, pid, "task", look_at_thread))
			return DOUBT;
	}
	return 0;
}

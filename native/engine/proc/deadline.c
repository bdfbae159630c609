// SPDX-License-Identifier: MIT
/*
 * A deadline on a thread of its own: when it passes, it ends the whole process. A timer of the
 * event loop would not fire while the event loop waits for a dead server. A thread that waits for
 * NFS or FUSE cannot be stopped alone, but it ends with its process.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/report.h"

#define LINE_BYTES 1024
#define PATH_BYTES 4096
#define REMOVE_MS 2000 /* the folder may be on the dead server */
#define REMOVE_TIMES 3 /* other threads may still make files */
#define SAY_MS 1000    /* how long to wait for a reader of stderr: it may be slow, or never read again */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	int started, armed;
	struct timespec at; /* CLOCK_MONOTONIC */
	int status;
	size_t length;
	char line[LINE_BYTES];
	char folder[PATH_BYTES]; /* "" when nothing is to be removed */
} deadline = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int has_passed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline.at.tv_sec ||
	       (now.tv_sec == deadline.at.tv_sec && now.tv_nsec >= deadline.at.tv_nsec);
}

/*
 * Remove the files of a folder by system calls alone, because readdir(3) allocates memory. Anything
 * that is not a file stays, and then the folder stays, too.
 */
static void remove_files(int folder)
{
	char entries[8192];
	ssize_t got, at;

	while ((got = syscall(SYS_getdents64, folder, entries, sizeof(entries))) > 0)
		for (at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(entries + at);

			unlinkat(folder, entry->d_name, 0);
			at += entry->d_reclen;
		}
}

static void remove_folder(void)
{
	int times, folder = open(deadline.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (times = 0; folder >= 0 && times < REMOVE_TIMES; times++) {
		lseek(folder, 0, SEEK_SET);
		remove_files(folder);
		if (!rmdir(deadline.folder))
			break;
	}
}

/*
 * Remove the folder in a process of its own, because removing may hang as well. That process shares
 * our table of descriptors. With a copy of it, it would hang when it ends and closes files on the dead
 * server. fork(3) is not used, because it takes locks of the C library.
 */
static void remove_in_child(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	struct pollfd ended = { .events = POLLIN };

	if (pid == 0) {
		remove_folder();
		_exit(0);
	}
	if (pid < 0)
		return;
	ended.fd = (int)syscall(SYS_pidfd_open, pid, 0U);
	if (ended.fd >= 0)
		poll(&ended, 1, REMOVE_MS);
}

/*
 * Write the line to stderr if it is ready within SAY_MS. A pipe or a terminal that is ready takes a whole
 * line, so write(2) does not wait. Source: _POSIX_PIPE_BUF in limits.h
 */
static void say_line(void)
{
	struct pollfd ready = { STDERR_FILENO, POLLOUT, 0 };

	if (poll(&ready, 1, SAY_MS) == 1 && write(STDERR_FILENO, deadline.line, deadline.length) < 0)
		return; /* nobody reads it any more */
}

/* End the process. This takes no lock of the C library, because a hanging thread may hold one. */
static void end(void)
{
	if (deadline.folder[0])
		remove_in_child();
	say_line();
	_exit(deadline.status);
}

static void *watch(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&deadline.lock);
	for (;;) {
		if (!deadline.armed)
			pthread_cond_wait(&deadline.moved, &deadline.lock);
		else if (has_passed())
			end();
		else
			pthread_cond_timedwait(&deadline.moved, &deadline.lock, &deadline.at);
	}
	return NULL;
}

static int start(void)
{
	pthread_condattr_t clock;
	pthread_t thread;
	int err;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	err = pthread_cond_init(&deadline.moved, &clock);
	pthread_condattr_destroy(&clock);
	if (!err)
		err = pthread_create(&thread, NULL, watch, NULL);
	if (err)
		return -err;
	pthread_detach(thread);
	deadline.started = 1;
	return 0;
}

GK_PUBLIC int gk_deadline(uint32_t wait_ms, int status, const char *line, const char *folder,
			  struct gk_report *report)
{
	size_t folder_length = strlen(folder);
	int err = 0;

	memset(report, 0, sizeof(*report));
	if (folder_length >= PATH_BYTES)
		return fail(report, -ENAMETOOLONG, 0, "cannot remove a folder at a deadline");
	pthread_mutex_lock(&deadline.lock);
	if (wait_ms && !deadline.started)
		err = start();
	if (!err && deadline.started) {
		deadline.length = strnlen(line, LINE_BYTES);
		memcpy(deadline.line, line, deadline.length);
		memcpy(deadline.folder, folder, folder_length + 1);
		deadline.status = status;
		deadline.armed = wait_ms != 0;
		clock_gettime(CLOCK_MONOTONIC, &deadline.at);
		deadline.at.tv_sec += wait_ms / 1000;
		deadline.at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
		if (deadline.at.tv_nsec >= 1000000000) {
			deadline.at.tv_nsec -= 1000000000;
			deadline.at.tv_sec++;
		}
		pthread_cond_signal(&deadline.moved);
	}
	pthread_mutex_unlock(&deadline.lock);
	return err ? fail(report, err, 0, "cannot start a thread for a deadline") : 0;
}

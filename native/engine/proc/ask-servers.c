// SPDX-License-Identifier: MIT
/* A child process asks what only a server can say, so that a deadline can end it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/report.h"
#include "base/stat.h"

#define END_MS 100 /* a killed process that waits for a request that was not read yet ends at once */

GK_PUBLIC int gk_stat_cached(const char *path, struct gk_stat *about, struct gk_report *report)
{
	int err = stat_at(AT_FDCWD, path, AT_STATX_DONT_SYNC, about);

	memset(report, 0, sizeof(*report));
	return err ? fail(report, err, 0, "cannot look at %s", path) : 0;
}

/* The child of a process with threads: system calls and nothing else. */
static void ask(const char *paths, uint32_t count, struct gk_answer *answers)
{
	struct statfs fs = { 0 };

	/* A silent server may keep this process from ending, and its descriptors would stay open as long. */
	syscall(SYS_close_range, 0U, ~0U, 0U);
	for (uint32_t i = 0; i < count; i++, paths += strlen(paths) + 1) {
		answers[i].error = stat_at(AT_FDCWD, paths, 0, &answers[i].stat);
		if (!answers[i].error) {
			answers[i].error = statfs(paths, &fs) ? -errno : 0;
			answers[i].magic = (uint64_t)fs.f_type;
		}
		__atomic_store_n(&answers[i].done, 1, __ATOMIC_RELEASE);
	}
	_exit(0);
}

static uint32_t count_done(const struct gk_answer *answers, uint32_t from, uint32_t count)
{
	while (from < count && __atomic_load_n(&answers[from].done, __ATOMIC_ACQUIRE))
		from++;
	return from;
}

static int has_ended(int pid_fd, int wait_ms)
{
	struct pollfd ended = { .fd = pid_fd, .events = POLLIN };
	int got;

	do
		got = poll(&ended, 1, wait_ms);
	while (got < 0 && errno == EINTR);
	return got != 0;
}

static void wait_for_answers(pid_t pid, int pid_fd, const struct gk_answer *answers, uint32_t count,
			     uint32_t wait_ms)
{
	uint32_t before, done = 0;

	do {
		before = done;
		if (has_ended(pid_fd, (int)wait_ms))
			break;
		done = count_done(answers, before, count);
	} while (done > before);
	kill(pid, SIGKILL);
	/* One that cannot end is init's when this process has ended. */
	has_ended(pid_fd, END_MS);
	waitpid(pid, NULL, WNOHANG);
}

static int ask_in_child(const char *paths, uint32_t count, uint32_t wait_ms, struct gk_answer *answers)
{
	pid_t pid = fork();
	int pid_fd, err = 0;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		ask(paths, count, answers);
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0U);
	if (pid_fd < 0) {
		err = -errno;
		kill(pid, SIGKILL);
		return err;
	}
	wait_for_answers(pid, pid_fd, answers, count, wait_ms);
	close(pid_fd);
	return 0;
}

GK_PUBLIC int gk_ask_servers(const char *paths, uint32_t count, uint32_t wait_ms, struct gk_answer *answers,
			     struct gk_report *report)
{
	size_t bytes = (size_t)count * sizeof(*answers);
	struct gk_answer *shared;
	int err;

	memset(report, 0, sizeof(*report));
	shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return fail(report, -errno, 0, "cannot ask about %u files", count);
	err = ask_in_child(paths, count, wait_ms, shared);
	memcpy(answers, shared, bytes);
	munmap(shared, bytes);
	return err ? fail(report, err, 0, "cannot start a process that asks about files") : 0;
}

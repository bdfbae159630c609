// SPDX-License-Identifier: MIT
/*
 * A carrier is the program between a sender and its receiver: ssh, or our own `ghostkeep carry`. It is
 * started here and not by JavaScript's event loop. When a connection breaks while processes are frozen,
 * the thread that sends makes a new one, without the event loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/report.h"

/*
 * The largest pipe that a user without privileges gets (pipe(7)). With a default pipe the two
 * processes would take turns after every 64 KiB.
 */
#define PIPE_BYTES (1 << 20)
#define TERM_MS 1000

/* Make a vector that ends with NULL of strings that lie one behind the other. NULL without memory. */
static char **to_vector(const char *strings, uint32_t count)
{
	char **vector = calloc((size_t)count + 1, sizeof(*vector));

	for (uint32_t i = 0; vector && i < count; i++) {
		vector[i] = (char *)(uintptr_t)strings;
		strings += strlen(strings) + 1;
	}
	return vector;
}

static int spawn(pid_t *pid, char **arguments, char **environment, int in, int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, usual;
	int error = posix_spawn_file_actions_init(&actions);

	if (error)
		return -error;
	error = posix_spawnattr_init(&attributes);
	if (error) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -error;
	}
	(void)sigemptyset(&none);
	(void)sigemptyset(&usual);
	(void)sigaddset(&usual, SIGPIPE);
	error = posix_spawn_file_actions_adddup2(&actions, in, 0);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (!error)
		error = posix_spawnattr_setsigmask(&attributes, &none);
	if (!error)
		error = posix_spawnattr_setsigdefault(&attributes, &usual);
	if (!error)
		error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!error)
		error = posix_spawn(pid, arguments[0], &actions, &attributes, arguments, environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/*
 * Move a descriptor to a number of 3 or more. The child's stdin and stdout are put into place one
 * after the other, and would overwrite a lower one.
 */
static int high(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int error = moved < 0 ? -errno : moved;

	close(fd);
	return error;
}

static int pipe_above(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		int error = ends[i] = high(ends[i]);

		if (error < 0) {
			close(ends[1 - i]);
			return error;
		}
	}
	(void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

GK_PUBLIC int gk_carrier_start(const char *arguments, uint32_t arguments_count, const char *environment,
			       uint32_t environment_count, int32_t started[3], struct gk_report *report)
{
	AUTO_FREE char **words = to_vector(arguments, arguments_count);
	AUTO_FREE char **variables = to_vector(environment, environment_count);
	int in[2], out[2], error;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	if (!words || !variables || !words[0])
		return fail(report, words && variables ? -EINVAL : -ENOMEM, 0, "cannot start a carrier");
	error = pipe_above(in);
	if (error < 0)
		return fail(report, error, 0, "cannot make a pipe");
	error = pipe_above(out);
	if (error < 0) {
		close(in[0]);
		close(in[1]);
		return fail(report, error, 0, "cannot make a pipe");
	}
	error = spawn(&pid, words, variables, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	if (error) {
		close(in[1]);
		close(out[0]);
		return fail(report, error, 0, "cannot start %.100s", words[0]);
	}
	started[0] = pid;
	started[1] = in[1];
	started[2] = out[0];
	return 0;
}

/* Returns whether the process ended within wait_ms. If it did, *status is what waitpid(2) gave. */
static int has_ended(pid_t pid, int wait_ms, int *status)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = { pidfd, POLLIN, 0 };

	if (pidfd >= 0) {
		while (poll(&end, 1, wait_ms) < 0 && errno == EINTR)
			;
		close(pidfd);
	}
	return waitpid(pid, status, WNOHANG) != 0;
}

GK_PUBLIC int gk_carrier_end(const int32_t started[3], uint32_t wait_ms, int32_t *status,
			     struct gk_report *report)
{
	pid_t pid = started[0];
	int how = 0;

	memset(report, 0, sizeof(*report));
	close(started[1]);
	if (!has_ended(pid, (int)wait_ms, &how)) {
		(void)kill(pid, SIGTERM);
		if (!has_ended(pid, TERM_MS, &how)) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &how, 0);
		}
	}
	close(started[2]);
	*status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
	return 0;
}

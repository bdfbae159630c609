// SPDX-License-Identifier: MIT
#include "base/in-child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How long the killed child may take to end. It ends at once if the server has not yet read the request
 * that the child waits for.
 */
#define END_MS 100

int child_start(struct child *child, void (*work)(void *about), void *about)
{
	int err = 0;

	child->pid = fork();
	if (child->pid < 0)
		return -errno;
	if (child->pid == 0) {
		/*
		 * Close all descriptors first: a silent server may keep this process from ending, and
		 * would then keep its copies of the descriptors open, too.
		 */
		syscall(SYS_close_range, 0U, ~0U, 0U);
		work(about);
		_exit(0);
	}
	child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0U);
	if (child->pid_fd < 0) {
		err = -errno;
		kill(child->pid, SIGKILL);
	}
	return err;
}

int child_has_ended(const struct child *child, int wait_ms)
{
	struct pollfd ended = { .fd = child->pid_fd, .events = POLLIN };
	int got;

	do
		got = poll(&ended, 1, wait_ms);
	while (got < 0 && errno == EINTR);
	return got != 0;
}

void child_end(struct child *child)
{
	kill(child->pid, SIGKILL);
	child_has_ended(child, END_MS);
	waitpid(child->pid, NULL, WNOHANG);
	close(child->pid_fd);
}

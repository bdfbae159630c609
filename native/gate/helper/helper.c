// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "criu/log.h"
#include "helper-path.h" /* made by the Makefile: HELPER_PATH */
#include "helper/deadline.h"
#include "helper/helper.h"
#include "helper/spawn.h"
#include "helper/timeout.h"

#define END_MS 2000  /* how long the helper may take to end by itself when the socket is closed */
#define KILL_MS 1000 /* how long the helper may take to be gone after SIGKILL */

int helper_start(struct helper *helper, const char *mode, int image_dir)
{
	/* CRIU's pid tells the helper that CRIU's starter may hold the lock of the image directory for it */
	char pid[16];
	char *const argv[] = { HELPER_PATH, "gate", (char *)mode, pid, NULL };
	/*
	 * The environment of CRIU's caller must not reach the helper: variables like NODE_OPTIONS and
	 * BUN_OPTIONS run other code.
	 */
	char *const nothing[] = { NULL };
	struct spawn spawn = {
		.leave_cgroup = !strcmp(mode, "restore"),
		.argv = argv,
		.envp = nothing,
		.image_dir_fd = image_dir,
	};
	int sockets[2];
	int ret;

	snprintf(pid, sizeof(pid), "%d", getpid());
	memset(helper, 0, sizeof(*helper));
	helper->error_fd = memfd_create("ghostkeep-stderr", MFD_CLOEXEC);
	if (helper->error_fd < 0) {
		ret = -errno;
		goto failed;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
		ret = -errno;
		goto close_error_fd;
	}
	spawn.error_fd = helper->error_fd;
	spawn.socket_fd = sockets[1];
	ret = spawn_unrelated(&spawn);
	close(sockets[1]); /* with a copy open here, the gate would never see the end of the stream */
	if (ret)
		goto close_socket;

	helper->running = true;
	helper->pid = spawn.pid;
	helper->pidfd = spawn.pidfd;
	helper->channel.fd = sockets[0];
	helper->timeout_ms = answer_timeout_ms();
	helper->loss = CRIU_LOG_ERROR;
	return 0;

close_socket:
	close(sockets[0]);
close_error_fd:
	close(helper->error_fd);
failed:
	gate_log(CRIU_LOG_ERROR, "cannot start " HELPER_PATH ": %s", strerror(-ret));
	return ret;
}

static void release(struct helper *helper)
{
	/*
	 * A CRIU that is pid 1 of its namespace inherits all orphans, so it has to reap the helper.
	 * In any other CRIU this fails with ECHILD.
	 */
	waitid((idtype_t)P_PIDFD, helper->pidfd, NULL, WEXITED | WNOHANG);
	close(helper->channel.fd);
	close(helper->pidfd);
	close(helper->error_fd);
	helper->running = false;
}

void helper_kill(struct helper *helper)
{
	if (!helper->running)
		return;
	/* kill the helper before the socket is closed: the end of the stream would make it do more work */
	syscall(SYS_pidfd_send_signal, helper->pidfd, SIGKILL, NULL, 0);
	if (wait_readable(helper->pidfd, deadline_in(KILL_MS)) <= 0)
		gate_log(CRIU_LOG_WARN, "the helper (pid %d) is killed but not gone yet: the kernel holds it",
			 helper->pid);
	release(helper);
}

void helper_end(struct helper *helper)
{
	if (!helper->running)
		return;
	shutdown(helper->channel.fd, SHUT_RDWR);
	if (wait_readable(helper->pidfd, deadline_in(END_MS)) > 0) {
		release(helper);
		return;
	}
	gate_log(CRIU_LOG_WARN, "the helper (pid %d) did not end in %d ms: killing it", helper->pid, END_MS);
	helper_kill(helper);
}

/* Has the helper closed its end of the socket within END_MS? Its last messages are ignored. */
static bool has_hung_up(struct helper *helper)
{
	int64_t deadline = deadline_in(END_MS);
	char rest[512];

	while (wait_readable(helper->channel.fd, deadline) > 0) {
		ssize_t got = recv(helper->channel.fd, rest, sizeof(rest), MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return true;
	}
	return false;
}

void helper_leave(struct helper *helper)
{
	if (!helper->running)
		return;
	shutdown(helper->channel.fd, SHUT_WR);
	if (!has_hung_up(helper))
		gate_log(CRIU_LOG_WARN, "the helper (pid %d) did not end in %d ms: killing it", helper->pid,
			 END_MS);
	syscall(SYS_pidfd_send_signal, helper->pidfd, SIGKILL, NULL, 0);
	release(helper);
}

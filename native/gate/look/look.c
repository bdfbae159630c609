// SPDX-License-Identifier: MIT
/*
 * The look runs in a child process, because a call that a server or a disk never answers ends only
 * with its process. As in helper/spawn.c the child has no exit signal, so CRIU neither notices it
 * nor reaps it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/deadline.h"
#include "look/look.h"
#include "look/place.h"
#include "look/processes.h"

#define KILL_MS 100 /* how long the child may take to be gone after SIGKILL */

static void look_here(struct look_result *result, int root, int image_dir)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc_fd < 0)
		doubt(result, "cannot open /proc: %s", strerror(errno));
	else if ((image_dir == NO_PLACE || !look_at_place(result, image_dir)) &&
		 !look_at_processes(result, proc_fd, root))
		result->is_nothing = true;
}

/* Returns the pid of the child, 0 in the child itself, or a negative errno. Source: clone(2). */
static pid_t fork_unseen(int *pidfd)
{
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uintptr_t)pidfd };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

/* Whether the child has ended well. It is killed when it has not ended at the deadline. */
static bool has_ended_well(struct look_result *result, int pidfd, int deadline_ms)
{
	siginfo_t info = { 0 };
	int ended = wait_readable(pidfd, deadline_in(deadline_ms));

	if (ended <= 0) {
		doubt(result, "the first look took more than %d ms", deadline_ms);
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		wait_readable(pidfd, deadline_in(KILL_MS));
	}
	while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | __WALL) < 0 &&
	       errno == EINTR)
		;
	return ended > 0 && info.si_code == CLD_EXITED && !info.si_status;
}

static void look_in_child(struct look_result *shared, struct look_result *result, int root, int image_dir,
			  int deadline_ms)
{
	sigset_t all, before;
	int pidfd = -1;
	pid_t child;

	/* no signal handler of CRIU's may run in the child */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child = fork_unseen(&pidfd);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		look_here(shared, root, image_dir);
		_exit(0);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0) {
		doubt(result, "cannot start a process for the first look: %s", strerror(-child));
		return;
	}
	if (has_ended_well(result, pidfd, deadline_ms))
		*result = *shared;
	else
		doubt(result, "the first look was killed");
	close(pidfd);
}

void look(struct look_result *result, int root, int image_dir, int deadline_ms)
{
	struct look_result *shared;

	memset(result, 0, sizeof(*result));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		doubt(result, "no memory for the first look: %s", strerror(errno));
		return;
	}
	look_in_child(shared, result, root, image_dir, deadline_ms);
	munmap(shared, sizeof(*shared));
}

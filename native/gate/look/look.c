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
#define CHILDREN_MAX 2
#define WORTH_A_CHILD 200 /* for this many files, a second child saves more time than its start takes */

struct child {
	struct look_result *result; /* in memory that the child shares with this process */
	pid_t pid;		    /* a negative errno if the child could not be started */
	int pidfd;
};

static void look_here(struct look_result *result, int root, int image_dir, const struct share *own)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc_fd < 0)
		doubt(result, "cannot open /proc: %s", strerror(errno));
	else if ((image_dir == NO_PLACE || own->index > 0 || !look_at_place(result, image_dir)) &&
		 !look_at_processes(result, proc_fd, root, own))
		result->is_nothing = true;
}

/*
 * Fork a child that sends no SIGCHLD. Returns the pid of the child, 0 in the child itself, or a negative
 * errno. Source: clone(2).
 */
static pid_t fork_unseen(int *pidfd)
{
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uintptr_t)pidfd };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

static void start(struct child *child, int root, int image_dir, const struct share *own)
{
	sigset_t all, before;

	/* no signal handler of CRIU's may run in the child */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child->pid = fork_unseen(&child->pidfd);
	if (!child->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		look_here(child->result, root, image_dir, own);
		_exit(0);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Wait for the child until the deadline, and kill it then. Returns whether it has ended with status 0. */
static bool has_ended_well(struct look_result *result, int pidfd, int64_t deadline, int deadline_ms)
{
	siginfo_t info = { 0 };
	int ended = wait_readable(pidfd, deadline);

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

/* Wait for the child. Returns whether it has looked at everything and doubts nothing. */
static bool is_sure(struct look_result *result, const struct child *child, int64_t deadline, int deadline_ms)
{
	bool has_ended;

	if (child->pid < 0) {
		doubt(result, "cannot start a process for the first look: %s", strerror(-child->pid));
		return false;
	}
	has_ended = has_ended_well(result, child->pidfd, deadline, deadline_ms);
	close(child->pidfd);
	if (!has_ended)
		doubt(result, "the first look was killed");
	else if (!child->result->is_nothing)
		doubt(result, "%s", child->result->why);
	return has_ended && child->result->is_nothing;
}

static int children_for(int files)
{
	return files >= WORTH_A_CHILD && sysconf(_SC_NPROCESSORS_ONLN) > 1 ? CHILDREN_MAX : 1;
}

void look(struct look_result *result, int root, int image_dir, int deadline_ms, int files)
{
	int64_t deadline = deadline_in(deadline_ms);
	struct child children[CHILDREN_MAX];
	struct share own = { .count = children_for(files) };
	size_t bytes = sizeof(*result) * (size_t)own.count;
	struct look_result *shared;

	memset(result, 0, sizeof(*result));
	shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		doubt(result, "no memory for the first look: %s", strerror(errno));
		return;
	}
	for (own.index = 0; own.index < own.count; own.index++) {
		children[own.index].result = &shared[own.index];
		start(&children[own.index], root, image_dir, &own);
	}
	result->is_nothing = true;
	for (int i = 0; i < own.count; i++) {
		if (!is_sure(result, &children[i], deadline, deadline_ms))
			result->is_nothing = false;
		result->files += shared[i].files;
	}
	/* each child has looked at all processes, so the list of the first child is complete */
	result->count = shared->count;
	memcpy(result->pids, shared->pids, sizeof(result->pids));
	munmap(shared, bytes);
}

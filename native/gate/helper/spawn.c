// SPDX-License-Identifier: MIT
/*
 * Starts the helper so that CRIU cannot notice.
 *
 * CRIU handles SIGCHLD and waits for any child; a child that it does not know would end its dump.
 * So the helper is a grandchild, and the child in between:
 *
 * - has no exit signal, so no SIGCHLD is ever sent, and neither CRIU's wait4(-1) nor a SIGCHLD set
 *   to ignore can reap it (wait(2), __WALL). Blocking SIGCHLD around a plain fork() would leave a
 *   signal pending afterwards, and taking that signal away with sigtimedwait() might take one of
 *   CRIU's own with it;
 * - shares memory with us, as the child of posix_spawn(3) does, and descriptors, too. So when the child
 *   ends, the helper's pid and pidfd are here already, and there is no moment in which the pid could
 *   belong to another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/spawn.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define HELPER_FDS 5
#define STACK_BYTES (64 * 1024)

/* AddressSanitizer knows one stack per thread, and these functions run on other stacks. */
#ifdef __SANITIZE_ADDRESS__
#define ON_OTHER_STACK __attribute__((no_sanitize_address))
#else
#define ON_OTHER_STACK
#endif

static char between_stack[STACK_BYTES] __attribute__((aligned(64)));
static char helper_stack[STACK_BYTES] __attribute__((aligned(64)));

static int between(void *arg);
static int helper(void *arg);

int spawn_unrelated(struct spawn *spawn)
{
	sigset_t all, before;
	int subreaper = 0;
	pid_t child;
	int ret = 0;

	spawn->pid = -1;
	spawn->pidfd = -1;
	spawn->error = 0;

	/* if CRIU is a subreaper, stop that for a moment: else the orphan becomes a child of CRIU */
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	if (subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 0);
	/* no signal handler of CRIU's may run in a process that shares its memory */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);

	child = clone(between, between_stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_FILES, spawn);
	if (child < 0)
		ret = -errno;
	else
		while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
			;

	sigprocmask(SIG_SETMASK, &before, NULL);
	if (subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	return ret ? ret : -spawn->error;
}

ON_OTHER_STACK static int between(void *arg)
{
	struct spawn *spawn = arg;

	/* the helper shares neither memory nor descriptors with us */
	spawn->pid = clone(helper, helper_stack + STACK_BYTES, CLONE_PIDFD | SIGCHLD, spawn, &spawn->pidfd);
	if (spawn->pid < 0)
		spawn->error = errno;
	return 0;
}

ON_OTHER_STACK static void default_signals(void)
{
	struct sigaction action;
	int number;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (number = 1; number < _NSIG; number++)
		sigaction(number, &action, NULL);
}

/* Move the helper's descriptors to 0 … 4, wherever they are now. */
ON_OTHER_STACK static bool place_descriptors(const struct spawn *spawn)
{
	int from[HELPER_FDS];
	int fd;

	from[0] = open("/dev/null", O_RDWR);
	from[1] = from[0];
	from[2] = spawn->error_fd;
	from[3] = spawn->socket_fd;
	from[4] = spawn->image_dir_fd;
	/* move all to numbers above first, so that none is overwritten before its turn */
	for (fd = 0; fd < HELPER_FDS; fd++) {
		from[fd] = fcntl(from[fd], F_DUPFD, HELPER_FDS);
		if (from[fd] < 0)
			return false;
	}
	for (fd = 0; fd < HELPER_FDS; fd++)
		if (dup2(from[fd], fd) != fd)
			return false;
	return true;
}

/* Close all other descriptors, one by one where close_range(2) is missing (before Linux 5.9). */
ON_OTHER_STACK static void close_others(void)
{
	struct rlimit limit = { 0 };
	rlim_t fd;

	if (!syscall(SYS_close_range, HELPER_FDS, ~0U, 0))
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	for (fd = HELPER_FDS; fd < limit.rlim_max && fd < 1 << 20; fd++)
		close(fd);
}

ON_OTHER_STACK static void say(int fd, const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	if (write(fd, text, length) < 0)
		return; /* there is nobody to tell */
}

ON_OTHER_STACK static const char *why_not_executed(int error)
{
	switch (error) {
	case ENOENT:
		return "no such file, or its interpreter is missing\n";
	case EACCES:
		return "permission denied, or on a noexec mount\n";
	case ENOEXEC:
		return "not a program for this machine\n";
	case ENOMEM:
		return "not enough memory\n";
	default:
		return "execve failed\n";
	}
}

/*
 * At restore runc has already put CRIU into the container's cgroup. The helper's memory and threads
 * must not count against the container's memory.max or pids.max, so the helper moves to the root of
 * each hierarchy that has those limits. Where that is not allowed it stays, and the restore goes on
 * either way.
 */
ON_OTHER_STACK static void leave_cgroup(void)
{
	static const char *const procs[] = {
		"/sys/fs/cgroup/cgroup.procs",
		"/sys/fs/cgroup/memory/cgroup.procs",
		"/sys/fs/cgroup/pids/cgroup.procs",
	};
	unsigned int i;

	for (i = 0; i < sizeof(procs) / sizeof(procs[0]); i++) {
		int fd = open(procs[i], O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (write(fd, "0", 1) < 0)
			say(STDERR_FILENO, "stays in the cgroup of CRIU\n");
		close(fd);
	}
}

/* From here to execve only functions are called that signal-safety(7) allows after a fork. */
ON_OTHER_STACK static int helper(void *arg)
{
	const struct spawn *spawn = arg;
	sigset_t none;

	setsid();
	default_signals();
	if (!place_descriptors(spawn)) {
		say(spawn->error_fd, "cannot arrange the helper's descriptors\n");
		return 127;
	}
	close_others();
	if (chdir("/"))
		say(STDERR_FILENO, "cannot change to /\n");
	if (spawn->leave_cgroup)
		leave_cgroup();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(spawn->argv[0], spawn->argv, spawn->envp);

	say(STDERR_FILENO, "cannot execute ");
	say(STDERR_FILENO, spawn->argv[0]);
	say(STDERR_FILENO, ": ");
	say(STDERR_FILENO, why_not_executed(errno));
	return 127;
}

// SPDX-License-Identifier: MIT
/*
 * Bases lie on a disk that containers write to, and take room that the containers may need. Before a
 * process makes or moves bases, it starts this watcher. The watcher removes the bases when the free room
 * is less than they take, or less than LEAST bytes, or when hardly any inodes are free. It leaves the
 * bases alone while a journal lies beside them and the process that has started it lives. It ends when
 * there are no bases and that process has ended. When SIGTERM, SIGINT or SIGHUP ends the watcher, it
 * removes the bases first.
 *
 * A child looks at the disk. If a file server does not answer, SIGALRM ends the child, and a new child
 * looks again. The watcher itself touches the disk only if a signal ends it while there is no child.
 * Between two looks the child has nothing on the disk open, so that the disk can be unmounted.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "look-after.h"
#include "mark.h"
#include "release.h"
#include "watch.h"

#define EXIT_USAGE 2

/*
 * Wait until the child ends, or a signal ends us. Returns true when all is done. Returns false if SIGALRM,
 * or a signal of somebody else, has ended the child, because another child is then needed.
 */
static bool wait_for(pid_t child, const sigset_t *awaited)
{
	int status, signal;

	while (waitpid(child, &status, WNOHANG) != child) {
		signal = sigwaitinfo(awaited, NULL);
		if (signal <= 0 || signal == SIGCHLD)
			continue;
		/*
		 * Pass the signal to the child, but wait only LOOK_S for it: the server may be dead. A child
		 * that removes many bases goes on when we have ended, with a deadline for each.
		 */
		(void)alarm(LOOK_S);
		(void)!kill(child, signal);
		(void)!waitpid(child, NULL, 0);
		return true;
	}
	return WIFEXITED(status);
}

static void watch(const struct charge *charge, const sigset_t *awaited)
{
	for (;;) {
		pid_t child = fork();

		if (!child) {
			look_after(charge);
			_exit(0);
		}
		if (child > 0 && wait_for(child, awaited))
			return;
		if (sleep_ms(MOST_MS, &charge->ending)) {
			(void)!bases_release(charge->images);
			return;
		}
	}
}

static bool to_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return !errno && end != text && !*end;
}

/*
 * Block exactly these signals, and set those to their defaults that our starter may have ignored. Returns
 * -1 on an error.
 */
static int take_signals(sigset_t *ending, sigset_t *awaited)
{
	if (sigemptyset(ending) || sigaddset(ending, SIGTERM) || sigaddset(ending, SIGINT) ||
	    sigaddset(ending, SIGHUP))
		return -1;
	*awaited = *ending;
	if (sigaddset(awaited, SIGCHLD) || signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    signal(SIGALRM, SIG_DFL) == SIG_ERR)
		return -1;
	return sigprocmask(SIG_SETMASK, awaited, NULL);
}

int watch_bases(int argc, char **argv)
{
	struct charge charge = { 0 };
	sigset_t awaited;
	uint64_t starter, start = 0;

	if (argc < 6 || argc > 7 || !*argv[3] || !to_number(argv[4], &charge.least) ||
	    !to_number(argv[5], &starter) || (argc == 7 && !to_number(argv[6], &start))) {
		dprintf(STDERR_FILENO,
			"ghostkeep-hook: usage: ghostkeep-hook watch-bases IMAGES MARK LEAST STARTER [START]\n");
		return EXIT_USAGE;
	}
	charge.images = argv[2];
	charge.mark = argv[3];
	if (take_signals(&charge.ending, &awaited))
		return EXIT_USAGE;
	charge.starter = starter_open((pid_t)starter, start);
	/* The watcher must look in time on a busy host. If it may not raise its priority, it works all the same. */
	(void)!setpriority(PRIO_PROCESS, 0, -10);
	charge.mark_fd = mark_take(charge.mark, charge.images, charge.least, &charge.starter);
	watch(&charge, &awaited);
	return charge.mark_fd >= 0 && mark_is_newest(charge.mark, charge.mark_fd) && unlink(charge.mark) &&
	       errno != ENOENT;
}

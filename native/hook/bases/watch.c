// SPDX-License-Identifier: MIT
/*
 * Bases lie on a disk that containers write to, and take room that these may need. A round leaves
 * this process beside its bases. When less room is free than the bases take, or than LEAST bytes,
 * it removes them. It ends when there are none any more, and a signal that ends it ends them, too.
 *
 * Between two looks it opens nothing and has no folder of that disk, so that the disk can be
 * unmounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "release.h"
#include "watch.h"

#define EXIT_USAGE 2
/* Nobody fills a disk faster: page caches take less, and so do disks. */
#define BYTES_PER_MS ((uint64_t)8 << 20)
#define LEAST_MS 5
#define MOST_MS 1000
/* Somebody works on a base that had to go: there is no need to ask every few milliseconds. */
#define HELD_MS 100
/* A look at a file server that is dead ends this process. */
#define LOOK_S 30
#define LOCK_TRIES 30

/*
 * One such process watches a folder, except where LOCK is empty, because a user has no folder in
 * /run. An earlier one may be about to end, because it has looked before there were bases again: so
 * we wait for longer than its longest sleep.
 */
static bool become_the_one(const char *lock)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat held, named;

		if (fd < 0)
			return false;
		/* The one before removes its file. Then somebody else may have made it anew. */
		if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &held) && !lstat(lock, &named) &&
		    held.st_dev == named.st_dev && held.st_ino == named.st_ino)
			return true;
		close(fd);
		nanosleep(&pause, NULL);
	}
	return false;
}

static void say_released(const char *images, const struct bases *bases)
{
	openlog("ghostkeep", LOG_PID, LOG_DAEMON);
	syslog(LOG_NOTICE, "the bases in %s are removed: only %llu MiB are free, and they took %llu MiB",
	       images, (unsigned long long)(bases->free_bytes >> 20),
	       (unsigned long long)(bases->bytes >> 20));
	closelog();
}

/* How long nobody can fill the disk, in milliseconds. */
static uint64_t rest(const struct bases *bases, uint64_t must_stay)
{
	uint64_t ms = (bases->free_bytes - must_stay) / BYTES_PER_MS;

	return ms < LEAST_MS ? LEAST_MS : ms > MOST_MS ? MOST_MS : ms;
}

/* Returns true if a signal that ends us has come. */
static bool sleep_ms(uint64_t ms, const sigset_t *ending)
{
	struct timespec time = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000 * 1000 };

	return sigtimedwait(ending, NULL, &time) > 0;
}

static void watch(const char *images, uint64_t least, const sigset_t *ending)
{
	for (;;) {
		struct bases bases;
		uint64_t must_stay, ms;

		alarm(LOOK_S);
		if (bases_look(images, &bases) || bases.count == 0)
			return;
		must_stay = bases.bytes > least ? bases.bytes : least;
		if (bases.free_bytes < must_stay || bases.lacks_inodes) {
			if (bases_release(images) > 0)
				say_released(images, &bases);
			ms = HELD_MS;
		} else {
			ms = rest(&bases, must_stay);
		}
		alarm(0);
		if (sleep_ms(ms, ending)) {
			alarm(LOOK_S);
			bases_release(images);
			return;
		}
	}
}

int watch_bases(int argc, char **argv)
{
	const char *images, *lock;
	sigset_t ending;
	uint64_t least;
	char *end;

	if (argc != 5) {
		dprintf(STDERR_FILENO,
			"ghostkeep-hook: usage: ghostkeep-hook watch-bases IMAGES LOCK LEAST\n");
		return EXIT_USAGE;
	}
	images = argv[2];
	lock = argv[3];
	errno = 0;
	least = strtoull(argv[4], &end, 10);
	if (errno || end == argv[4] || *end || sigemptyset(&ending) || sigaddset(&ending, SIGTERM) ||
	    sigaddset(&ending, SIGINT) || sigaddset(&ending, SIGHUP) || sigprocmask(SIG_BLOCK, &ending, NULL))
		return EXIT_USAGE;
	/* It must look in time on a busy host. Without the right to this it looks all the same. */
	(void)!setpriority(PRIO_PROCESS, 0, -10);
	if (*lock && !become_the_one(lock))
		return 0;
	watch(images, least, &ending);
	return *lock && unlink(lock) && errno != ENOENT;
}

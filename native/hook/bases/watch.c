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
#include <limits.h>
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

/*
 * The newest process that watches a folder has made the file MARK. An earlier one finds another file
 * there and ends. So each round can reserve its own room, and nobody waits for a process that hangs.
 * We keep the file open, so that no other gets its inode number. We keep it locked, so that nobody
 * takes it for the file of a process that was killed. Returns -1 if no such file can be made. Then we
 * watch all the same: two at work do no harm.
 */
static int take_mark(const char *mark)
{
	char making[PATH_MAX];
	int fd, length = snprintf(making, sizeof(making), "%s.%d", mark, (int)getpid());

	if (length < 0 || (size_t)length >= sizeof(making))
		return -1;
	fd = open(making, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (!flock(fd, LOCK_EX | LOCK_NB) && !rename(making, mark))
		return fd;
	(void)!unlink(making);
	close(fd);
	return -1;
}

/* A mark that is gone was removed by somebody who does not watch. */
static bool is_newest(const char *mark, int fd)
{
	struct stat own, named;

	if (fd < 0 || fstat(fd, &own) || lstat(mark, &named))
		return true;
	return own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

/* Other errors may pass: a host runs out of memory or descriptors, a server is started again. */
static bool is_no_folder_of_ours(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EPERM || error == -ENAMETOOLONG;
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

static void watch(const char *images, uint64_t least, const char *mark, int mark_fd, const sigset_t *ending)
{
	for (;;) {
		struct bases bases = { 0 };
		uint64_t must_stay, ms;
		int error;

		alarm(LOOK_S);
		if (!is_newest(mark, mark_fd))
			return;
		error = bases_look(images, &bases);
		if (is_no_folder_of_ours(error) || (!error && bases.count == 0))
			return;
		must_stay = bases.bytes > least ? bases.bytes : least;
		if (error) {
			ms = MOST_MS;
		} else if (bases.free_bytes < must_stay || bases.lacks_inodes) {
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
	const char *images, *mark;
	sigset_t ending;
	uint64_t least;
	char *end;
	int mark_fd;

	if (argc != 5 || !*argv[3]) {
		dprintf(STDERR_FILENO,
			"ghostkeep-hook: usage: ghostkeep-hook watch-bases IMAGES MARK LEAST\n");
		return EXIT_USAGE;
	}
	images = argv[2];
	mark = argv[3];
	errno = 0;
	least = strtoull(argv[4], &end, 10);
	if (errno || end == argv[4] || *end || sigemptyset(&ending) || sigaddset(&ending, SIGTERM) ||
	    sigaddset(&ending, SIGINT) || sigaddset(&ending, SIGHUP) || sigprocmask(SIG_BLOCK, &ending, NULL))
		return EXIT_USAGE;
	/* It must look in time on a busy host. Without the right to this it looks all the same. */
	(void)!setpriority(PRIO_PROCESS, 0, -10);
	mark_fd = take_mark(mark);
	watch(images, least, mark, mark_fd, &ending);
	return mark_fd >= 0 && is_newest(mark, mark_fd) && unlink(mark) && errno != ENOENT;
}

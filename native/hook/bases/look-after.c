// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "look-after.h"
#include "mark.h"
#include "release.h"

/* Nobody writes faster: page caches take less, and so do disks. fallocate(2) alone is faster. */
#define BYTES_PER_MS ((uint64_t)8 << 20)
#define LEAST_MS 5
/* While there is nothing to look after, or nothing to remove, this is often enough. */
#define IDLE_MS 100

/* Other errors may pass: a host runs out of memory or descriptors, a server is started again. */
static bool is_no_folder_of_ours(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EPERM || error == -ENAMETOOLONG;
}

static bool starter_lives(int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&ended, 1, 0) == 0;
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

bool sleep_ms(uint64_t ms, const sigset_t *ending)
{
	struct timespec time = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000 * 1000 };

	return sigtimedwait(ending, NULL, &time) > 0;
}

/*
 * Look once. Returns how long nobody need look again, in milliseconds, or 0 at the end.
 *
 * `ghostkeep checkpoint` has found that its ghosts fit on the disk because their bases are there, and
 * its container may have ended when it copies. So as long as it lives, its bases stay. It has written a
 * journal beside them.
 */
static uint64_t look(const struct charge *charge)
{
	struct bases bases = { 0 };
	bool lives = starter_lives(charge->starter);
	int error = bases_look(charge->images, &bases);
	uint64_t must_stay = bases.bytes > charge->least ? bases.bytes : charge->least;

	if (is_no_folder_of_ours(error) || (!error && bases.count == 0))
		return lives ? IDLE_MS : 0;
	if (error)
		return MOST_MS;
	if (bases.has_journal && lives)
		return IDLE_MS;
	if (bases.free_bytes >= must_stay && !bases.lacks_inodes)
		return rest(&bases, must_stay);
	if (bases_release(charge->images) > 0)
		say_released(charge->images, &bases);
	return IDLE_MS;
}

void look_after(const struct charge *charge)
{
	uint64_t ms;

	for (;;) {
		alarm(LOOK_S);
		if (!mark_is_newest(charge->mark, charge->mark_fd))
			return;
		ms = look(charge);
		alarm(0);
		if (!ms)
			return;
		if (sleep_ms(ms, &charge->ending)) {
			alarm(LOOK_S);
			bases_release(charge->images);
			return;
		}
	}
}

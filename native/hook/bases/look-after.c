// SPDX-License-Identifier: MIT
#include <errno.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "look-after.h"
#include "mark.h"
#include "release.h"

/*
 * How fast others may fill the disk, at most. Page caches and disks take less. Only fallocate(2) can be
 * faster.
 */
#define BYTES_PER_MS ((uint64_t)8 << 20)
#define LEAST_MS 5
/* The time between two looks when there are no bases, or when none may or can be removed now. */
#define IDLE_MS 100

/*
 * Whether an error means that no folder of ours is there. Other errors may pass: a host is out of memory
 * or descriptors for a while, or a server is started again.
 */
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

/* For how many milliseconds nobody can write so much that less than must_stay is free. */
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
 * Look once. Returns after how many milliseconds to look again, or 0 when there is no more to do.
 *
 * While a journal lies beside the bases and the starter lives, the bases stay. The starter is then a
 * `ghostkeep checkpoint`, which has found that its ghosts fit on the disk because their bases are there.
 * Its container may have ended before it copies, so it must not run out of room then.
 */
static uint64_t look(const struct charge *charge)
{
	struct bases bases = { 0 };
	bool lives = starter_lives(&charge->starter);
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
			bases_release(charge->images);
			return;
		}
	}
}

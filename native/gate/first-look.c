// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "criu/log.h"
#include "first-look.h"
#include "look/look.h"

/*
 * How long a look may take: before the freeze, and while processes are frozen. It usually takes a
 * millisecond or two. When it takes longer than this, the helper looks instead.
 */
#define BEFORE_MS 2000
#define FROZEN_MS 500

static struct look_result seen;
static int files_before; /* how many the look before the freeze has seen */
static int owned_fd = -1;

/*
 * Lock the image directory in the same way as the helper does (src/flows/directory/owner.ts). If that
 * fails, the helper is started, which waits for the lock or says who has it.
 */
static bool own(int image_dir)
{
	int fd = openat(image_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return false;
	}
	owned_fd = fd;
	return true;
}

bool first_look_begin(int root, int image_dir)
{
	first_look_end();
	if (!root)
		return false;
	if (!own(image_dir)) {
		gate_log(CRIU_LOG_INFO, "the helper starts: the image directory is in use");
		return false;
	}
	look(&seen, root, image_dir, BEFORE_MS, 0);
	if (!seen.is_nothing) {
		gate_log(CRIU_LOG_INFO, "the helper starts: %s", seen.why);
		first_look_end();
		return false;
	}
	gate_log(CRIU_LOG_INFO, "the helper does not start: no process holds a file without a name");
	/* the processes still run, so what was seen may change, and they are looked at again */
	files_before = seen.files;
	memset(&seen, 0, sizeof(seen));
	return true;
}

static bool has_seen(int pid)
{
	for (int i = 0; i < seen.count; i++)
		if (seen.pids[i] == pid)
			return true;
	return false;
}

const char *first_look_again(int pid)
{
	/* CRIU names the root of the tree first, and the look at the root covers all processes */
	if (seen.is_nothing && has_seen(pid))
		return NULL;
	look(&seen, pid, NO_PLACE, FROZEN_MS, files_before);
	return seen.is_nothing ? NULL : seen.why;
}

void first_look_end(void)
{
	memset(&seen, 0, sizeof(seen));
	if (owned_fd >= 0)
		close(owned_fd);
	owned_fd = -1;
}

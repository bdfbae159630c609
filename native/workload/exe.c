// SPDX-License-Identifier: MIT
/* Makes the ghost that is the program itself: the program is copied, padded, run and unlinked. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exe.h"
#include "io.h"
#include "make.h"
#include "pattern.h"
#include "workload.h"

#define RUNNING_FROM "GHOST_WORKLOAD_EXE"

static int fail(const char *doing, const char *path)
{
	int error = -errno;

	fprintf(stderr, "ghost-workload: cannot %s %s: %s\n", doing, path, strerror(errno));
	return error;
}

static int pad(int fd, const struct kind *kind, uint64_t from)
{
	static uint8_t padding[65536];
	uint64_t seed = pattern_seed(kind->name);
	int err;

	while (from < kind->size) {
		size_t part = sizeof(padding);

		if (part > kind->size - from)
			part = kind->size - from;
		pattern_fill(seed, from, padding, part);
		err = write_all(fd, padding, part, from);
		if (err)
			return err;
		from += part;
	}
	return 0;
}

/* Copy this program to path, and close the copy, because a file that is open for writing cannot be run. */
static int copy_self(const char *path, const struct kind *kind, unsigned int index)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t part = 1;
	struct stat st;
	int err;

	if (from < 0 || to < 0 || fstat(from, &st))
		return fail("copy the program to", path);
	while (part > 0)
		part = sendfile(to, from, NULL, 1 << 20);
	err = part < 0 ? -errno : pad(to, kind, (uint64_t)st.st_size);
	if (!err)
		err = set_times(to, index);
	close(from);
	if (close(to) && !err)
		err = -errno;
	return err;
}

/*
 * Go on in a copy of this program, and remove the copy's name. Returns 0 when this process runs from
 * the copy. Only a workload with the kind deleted-exe calls this.
 */
int run_from_deleted_exe(const struct workload *w, char **argv)
{
	const char *running_from = getenv(RUNNING_FROM);
	char path[PATH_MAX];
	unsigned int i = 0;
	int err;

	if (running_from) {
		if (unlink(running_from))
			return fail("unlink", running_from);
		return unsetenv(RUNNING_FROM);
	}
	while (w->ghosts[i].kind.shape != SHAPE_EXE)
		i++;
	snprintf(path, sizeof(path), "%s/%u.%s", w->dir, FIRST_FD + i, w->ghosts[i].kind.name);
	err = copy_self(path, &w->ghosts[i].kind, i);
	if (err)
		return err;
	if (setenv(RUNNING_FROM, path, 1))
		return -ENOMEM;
	execv(path, argv);
	return fail("run", path);
}

int add_exe_holder(struct workload *w, unsigned int index)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct holder *h;
	int err;

	if (fd < 0)
		return fail("open", "/proc/self/exe");
	h = add_holder(w, &w->ghosts[index], "exe", fd);
	err = h ? digest_file(fd, &h->digest) : -ENOMEM;
	if (h)
		h->fd = -1;
	close(fd);
	return err;
}

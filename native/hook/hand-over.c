// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hand-over.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/*
 * If vm.memfd_noexec is 2, memfd_create(2) fails without MFD_NOEXEC_SEAL. Before Linux 6.3, it fails with
 * that flag.
 */
static int create_memory_file(void)
{
	int fd = memfd_create("container-state", MFD_NOEXEC_SEAL);

	return fd < 0 && errno == EINVAL ? memfd_create("container-state", 0) : fd;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, bytes, length);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			bytes += done;
			length -= done;
		}
	}
	return 0;
}

/*
 * Make the container's state the stdin of the program. It is a file in memory, because a pipe holds only
 * 64 KiB, and a process would have to stay and fill it.
 */
static int make_stdin(const struct state *state)
{
	int fd = create_memory_file();
	int ret;

	if (fd < 0)
		return -errno;
	ret = write_all(fd, state->bytes, state->length);
	if (!ret && lseek(fd, 0, SEEK_SET) < 0)
		ret = -errno;
	if (!ret && dup2(fd, STDIN_FILENO) < 0)
		ret = -errno;
	/* when the runtime gave no stdin, the file has got descriptor 0, which must stay open */
	if (fd != STDIN_FILENO)
		close(fd);
	return ret;
}

/*
 * Drop all variables but our own. The user who makes a container may give its hooks an environment, and
 * variables like NODE_OPTIONS and BUN_OPTIONS run other code.
 */
static void drop_variables_of_others(void)
{
	static const char ours[] = "GHOSTKEEP_";
	char **kept = environ;
	char **variable;

	if (!environ)
		return;
	for (variable = environ; *variable; variable++)
		if (!strncmp(*variable, ours, sizeof(ours) - 1))
			*kept++ = *variable;
	*kept = NULL;
}

static int fail(const char *action, const char *object, int error, const char *way_out)
{
	dprintf(STDERR_FILENO, "ghostkeep: cannot %s %s: %s%s\n", action, object, strerror(error), way_out);
	return EXIT_FAILURE;
}

int hand_over(const struct state *state, char **argv)
{
	int ret = make_stdin(state);

	if (ret)
		return fail("hand the container state to", argv[0], -ret, "");
	drop_variables_of_others();
	/* Bun or Node.js may read settings from the working directory, which is the container's bundle */
	if (chdir("/"))
		return fail("change to the directory", "/", errno, "");
	execv(argv[0], argv);
	return fail("execute", argv[0], errno, "; install ghostkeep again");
}

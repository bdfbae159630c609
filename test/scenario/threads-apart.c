// SPDX-License-Identifier: MIT
/*
 * threads-apart own|ended FILE: a thread makes FILE, removes it and holds it by a
 * table of descriptors of its own, or by the process's, whose main thread ends.
 * Says `ready` when it has. See threads-apart.test.ts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

static int own;

static void *hold(void *file)
{
	int fd;

	if (own && unshare(CLONE_FILES))
		return NULL;
	fd = open(file, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "ghost", 5) != 5 || unlink(file))
		return NULL;
	/* a main thread that is about to end is given time to */
	usleep(100000);
	if (write(STDOUT_FILENO, "ready\n", 6) == 6)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 3)
		return 2;
	own = !strcmp(argv[1], "own");
	if (pthread_create(&thread, NULL, hold, argv[2]))
		return 1;
	if (!own)
		pthread_exit(NULL);
	pthread_join(thread, NULL);
	return 1;
}

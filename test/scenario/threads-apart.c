// SPDX-License-Identifier: MIT
/*
 * threads-apart own|ended FILE: a thread makes FILE, removes it and holds it: by a table of
 * descriptors of its own, or by the table of the process, whose main thread ends. Prints `ready`
 * then. See threads-apart.test.ts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

static int own;

/*
 * Waits until field 3 of stat says that the main thread is a zombie, which it is while other
 * threads live.
 */
static int await_end_of_main_thread(void)
{
	for (int i = 0; i < 10000; i++) {
		char text[64] = "";
		int fd = open("/proc/self/stat", O_RDONLY);
		ssize_t got = read(fd, text, sizeof(text) - 1);

		close(fd);
		if (got > 0 && strstr(text, ") Z"))
			return 0;
		usleep(1000);
	}
	return -1;
}

static void *hold(void *file)
{
	int fd;

	if (own && unshare(CLONE_FILES))
		return NULL;
	fd = open(file, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "ghost", 5) != 5 || unlink(file))
		return NULL;
	if (!own && await_end_of_main_thread())
		return NULL;
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

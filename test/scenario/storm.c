// SPDX-License-Identifier: MIT
/*
 * storm FOLDER PROCESSES SECONDS: keeps up to PROCESSES processes alive at a time. Each makes
 * FOLDER/storm-PID-N of N bytes, removes its name, holds it for a moment and ends. Run it in a
 * pid namespace of its own: there the kernel gives the same pids out again at once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 150

static void hold(const char *folder, unsigned int number)
{
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/storm-%d-%u", folder, getpid(), number);
	fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, number) || unlink(name))
		_exit(1);
	/* Most end at once. One of eight stays for longer than a scan takes on a slow machine, so that some are seen. */
	usleep(number % 8 ? number % 7 * 400 : 3000000);
	_exit(0);
}

/* The pid of the next process is one more. */
static void start_over(int last_pid)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (dprintf(fd, "%d", last_pid) < 0)
		perror("ns_last_pid");
	close(fd);
}

int main(int argc, char **argv)
{
	int processes = argc > 2 ? atoi(argv[2]) : 0, running = 0, failed = 0, status;
	time_t end = time(NULL) + (argc > 3 ? atoi(argv[3]) : 0);
	unsigned int number = 0;

	if (argc != 4 || processes < 1 || processes > PROCESSES_MAX)
		return 2;
	while (time(NULL) < end && !failed) {
		pid_t pid = fork();

		if (pid == 0)
			hold(argv[1], ++number);
		number++;
		failed += pid < 0;
		running += pid > 0;
		if (number % (unsigned int)processes == 0)
			start_over(getpid());
		if (running == processes && wait(&status) > 0) {
			running--;
			failed += status != 0;
		}
	}
	while (wait(&status) > 0)
		failed += status != 0;
	return failed != 0;
}

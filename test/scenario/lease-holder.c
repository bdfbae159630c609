// SPDX-License-Identifier: MIT
/*
 * Holds a removed file with a lease on it. usage:
 * lease-holder FILE BYTES write|write-only|direct|map|read|inherited|breaking|sparse
 * Prints `ready PID`. For each line of stdin
 * it prints the lease (as F_GETLEASE gives it), the file offset, and how often a signal has said
 * that somebody opens the file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t told;

static void count(int signal)
{
	(void)signal;
	told++;
}

static void require(bool fine, const char *what)
{
	if (fine)
		return;
	perror(what);
	exit(1);
}

/* Writes BYTES of a pattern, a hole of the same length, and three bytes. */
static void write_file(const char *path, size_t bytes)
{
	char *content = malloc(bytes);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	require(content && fd >= 0, path);
	for (size_t i = 0; i < bytes; i++)
		content[i] = (char)(i % 251 + 1);
	require(pwrite(fd, content, bytes, 0) == (ssize_t)bytes, "pwrite");
	require(pwrite(fd, "end", 3, (off_t)(2 * bytes)) == 3, "pwrite");
	require(close(fd) == 0, "close");
	free(content);
}

/* Starts a process that waits for the lease until the file's holder ends. */
static void begin_to_break(const char *path)
{
	pid_t child = fork();

	require(child >= 0, "fork");
	if (child == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		alarm(30);
		_exit(open(path, O_WRONLY) < 0);
	}
	while (!told)
		pause();
}

int main(int argc, char *argv[])
{
	struct sigaction on_break = { .sa_handler = count, .sa_flags = SA_RESTART };
	const char *mode = argc == 4 ? argv[3] : "";
	bool reads = !strcmp(mode, "read");
	char line[64];
	int fd;

	require(argc == 4, "usage");
	/*
	 * In the mode "inherited" the process that takes the lease must end. The test waits for the process
	 * that it started, so that one only sleeps, and its child takes the lease.
	 */
	if (!strcmp(mode, "inherited") && fork() > 0)
		for (;;)
			pause();
	write_file(argv[1], (size_t)atol(argv[2]));
	require(sigaction(SIGIO, &on_break, NULL) == 0, "sigaction");
	fd = open(argv[1], reads		       ? O_RDONLY :
			   !strcmp(mode, "write-only") ? O_WRONLY :
			   !strcmp(mode, "direct")     ? O_RDWR | O_DIRECT :
							 O_RDWR);
	require(fd >= 0, "open");
	require(fcntl(fd, F_SETLEASE, reads ? F_RDLCK : F_WRLCK) == 0, "F_SETLEASE");
	if (!strcmp(mode, "breaking"))
		begin_to_break(argv[1]);
	require(unlink(argv[1]) == 0, "unlink");
	if (!strcmp(mode, "sparse"))
		require(ftruncate(fd, 8LL << 40) == 0, "ftruncate");
	require(lseek(fd, 4711, SEEK_SET) == 4711, "lseek");
	if (!strcmp(mode, "map")) {
		require(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED, "mmap");
		require(close(fd) == 0, "close");
	}
	/* The lease stays with the open file description, and SIGIO has no receiver. */
	if (!strcmp(mode, "inherited") && fork() > 0)
		_exit(0);
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("lease %d offset %lld told %d\n", fcntl(fd, F_GETLEASE),
		       (long long)lseek(fd, 0, SEEK_CUR), told);
		fflush(stdout);
	}
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * left-out DIR KIND…: makes files that a dump without CRIU cannot keep, and processes that write
 * to a ghost without being dumped. It prints "ready", then the pid of each process that it
 * started, each on a line, and ends when stdin ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

/* A file of 4 KiB without a name. */
static int ghost(const char *dir, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	check(fd >= 0 && !ftruncate(fd, 4096) && pwrite(fd, "ghost", 5, 0) == 5 && !unlink(path), path);
	return fd;
}

static void send_to(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	check(sendmsg(socket, &message, 0) == 1, "sendmsg");
}

static void in_flight(const char *dir)
{
	int ends[2], fd = ghost(dir, "in-flight");

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	send_to(ends[0], fd);
	close(fd);
}

/*
 * Sends the file through a connection that was not accepted yet: the descriptor is in the
 * listening socket.
 */
static void not_accepted(const char *dir)
{
	struct sockaddr address = { .sa_family = AF_UNIX };
	socklen_t length = sizeof(address);
	int fd = ghost(dir, "not-accepted");
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);

	check(!bind(server, &address, sizeof(sa_family_t)) && !listen(server, 1), "listen");
	struct sockaddr_storage bound;

	length = sizeof(bound);
	check(!getsockname(server, (struct sockaddr *)&bound, &length), "getsockname");
	check(!connect(client, (struct sockaddr *)&bound, length), "connect");
	send_to(client, fd);
	close(fd);
}

static void registered(const char *dir)
{
	struct io_uring_params params = { 0 };
	int fd = ghost(dir, "registered \\ file");
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params);

	check(ring >= 0, "io_uring_setup");
	check(!syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1), "io_uring_register");
	close(fd);
}

static void segment(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	check(id >= 0 && shmat(id, NULL, 0) != (void *)-1, "shmget");
	check(!shmctl(id, IPC_RMID, NULL), "shmctl");
}

static void aio(void)
{
	aio_context_t context = 0;

	check(!syscall(SYS_io_setup, 1, &context), "io_setup");
}

static void map(int fd, int flags)
{
	check(mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED, "mmap");
}

static void *nothing(void *argument)
{
	for (;;)
		pause();
	return argument;
}

/* A tracer has stopped the main thread, and another thread runs. */
static void half_stopped(void)
{
	pthread_t thread;
	int status, ready[2];
	char byte;
	pid_t self = getpid();

	check(!pipe(ready) && !pthread_create(&thread, NULL, nothing, NULL), "pthread_create");
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		check(!ptrace(PTRACE_SEIZE, self, 0, 0), "ptrace");
		check(!ptrace(PTRACE_INTERRUPT, self, 0, 0), "ptrace");
		check(waitpid(self, &status, __WALL) == self, "waitpid");
		check(write(STDOUT_FILENO, "ready\n", 6) == 6 && write(ready[1], "", 1) == 1, "write");
		for (;;)
			pause();
	}
	check(read(ready[0], &byte, 1) == 1, "read");
}

int main(int argc, char **argv)
{
	char byte;

	for (int i = 2; i < argc; i++) {
		const char *kind = argv[i];

		if (!strcmp(kind, "ghost"))
			ghost(argv[1], "ghost");
		else if (!strcmp(kind, "mapped"))
			map(ghost(argv[1], "mapped"), MAP_SHARED);
		else if (!strcmp(kind, "inherited")) { /* on descriptor 3 */
			map(3, MAP_SHARED);
		} else if (!strcmp(kind, "in-flight"))
			in_flight(argv[1]);
		else if (!strcmp(kind, "not-accepted"))
			not_accepted(argv[1]);
		else if (!strcmp(kind, "registered"))
			registered(argv[1]);
		else if (!strcmp(kind, "segment"))
			segment();
		else if (!strcmp(kind, "anonymous"))
			map(-1, MAP_SHARED | MAP_ANONYMOUS);
		else if (!strcmp(kind, "aio"))
			aio();
		else if (!strcmp(kind, "device"))
			check(open(argv[1], O_RDONLY) >= 0, argv[1]);
		else if (!strcmp(kind, "half-stopped"))
			half_stopped();
		else
			return 2;
	}
	check(write(STDOUT_FILENO, "ready\n", 6) == 6, "write");
	return read(STDIN_FILENO, &byte, 1) < 0;
}

// SPDX-License-Identifier: MIT
/* Which processes hold a file, in whatever way. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "ghostkeep.h"
#include "tap.h"

#define NO_PID 4194305 /* above the largest pid_max */
#define MANY 100000
#define MOST_DESCRIPTORS 3000 /* more than the library lists at once */

enum way {
	OPEN,
	MAPPED,
	MAPPED_FOR_READING,
	WORKING,
	OTHER_NAMESPACE,
	WAYS
};

struct holder {
	pid_t pid;
	char name[32];
};

/* A child that holds what it is given in one way only, and tells when it does. */
static _Noreturn void hold(enum way way, const char *name, int ready)
{
	int fd = open(name, way == WORKING ? O_RDONLY | O_DIRECTORY : O_RDWR);
	const int shared = PROT_READ | PROT_WRITE;
	struct rlimit limit = { MOST_DESCRIPTORS + 1, MOST_DESCRIPTORS + 1 };

	if (fd < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(1);
	if (way == OPEN && setrlimit(RLIMIT_NOFILE, &limit))
		_exit(9);
	if (way == OPEN && dup2(fd, MOST_DESCRIPTORS) < 0)
		_exit(2);
	for (int i = 0; way == OPEN && i < MOST_DESCRIPTORS - 100; i++)
		if (dup(ready) < 0)
			_exit(3);
	/* a file that is held several times is one file with a holder */
	if (way == OPEN && (dup(fd) < 0 || dup(fd) < 0))
		_exit(10);
	if (way == MAPPED && mmap(NULL, 4096, shared, MAP_SHARED, fd, 0) == MAP_FAILED)
		_exit(4);
	if (way == MAPPED_FOR_READING && mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		_exit(5);
	if (way == WORKING && fchdir(fd))
		_exit(6);
	if (way == OTHER_NAMESPACE && (unshare(CLONE_NEWNS) || dup(fd) < 0))
		_exit(11);
	close(fd);
	if (write(ready, "", 1) != 1)
		_exit(7);
	pause();
	_exit(8);
}

static int make(enum way way, struct holder *holder)
{
	int fd;

	strcpy(holder->name, "/dev/shm/gk-XXXXXX");
	if (way == WORKING)
		return mkdtemp(holder->name) ? 0 : -1;
	fd = mkstemp(holder->name);
	if (fd < 0 || ftruncate(fd, 4096))
		return -1;
	return close(fd);
}

static int start(enum way way, struct holder *holder)
{
	char byte;
	int ends[2];
	int ready;

	if (make(way, holder) || pipe(ends))
		return -1;
	fflush(NULL);
	holder->pid = fork();
	if (holder->pid == 0)
		hold(way, holder->name, ends[1]);
	close(ends[1]);
	ready = read(ends[0], &byte, 1) == 1;
	close(ends[0]);
	return ready ? 0 : -1;
}

static void end(struct holder *holder)
{
	if (holder->pid > 0) {
		kill(holder->pid, SIGKILL);
		waitpid(holder->pid, NULL, 0);
	}
	remove(holder->name);
}

static int compare(const void *one, const void *other)
{
	const struct gk_sought *a = one, *b = other;

	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static struct gk_sought sought(const char *name)
{
	struct stat st = { 0 };

	expect(!stat(name, &st), "%s: %m", name);
	return (struct gk_sought){ .dev = st.st_dev, .ino = st.st_ino };
}

static uint64_t holder_of(const struct gk_sought *files, const char *name)
{
	struct gk_sought file = sought(name);

	for (int i = 0; i <= WAYS; i++)
		if (files[i].ino == file.ino)
			return files[i].pid;
	return NO_PID;
}

/* The last file is held by nobody. */
static void each_way(const struct holder *holders, const char *unheld)
{
	uint32_t pids[WAYS + 1] = { NO_PID }, complete;
	struct gk_sought files[WAYS + 1], again[WAYS + 1];
	struct gk_report report;

	for (int i = 0; i < WAYS; i++) {
		pids[i + 1] = (uint32_t)holders[i].pid;
		files[i] = sought(holders[i].name);
	}
	files[WAYS] = sought(unheld);
	qsort(files, WAYS + 1, sizeof(*files), compare);
	memcpy(again, files, sizeof(files));

	begin("proc", "a file has a holder, whether it is open, mapped or a working directory");
	if (!expect(!gk_find_holders(pids, WAYS + 1, files, WAYS + 1, 5000, &complete, &report), "%s",
		    report.message))
		return;
	expect(complete == 1, "the search did not look at all processes");
	for (int i = 0; i < WAYS; i++)
		expect(holder_of(files, holders[i].name) == (uint64_t)holders[i].pid,
		       "way %d has another holder", i);
	expect(holder_of(files, unheld) == 0, "a file that nobody holds has a holder");

	begin("proc", "a search for holders without a process has looked at all");
	expect(!gk_find_holders(pids, 0, again, WAYS + 1, 5000, &complete, &report) && complete == 1, "%s",
	       report.message);
	expect(holder_of(again, holders[OPEN].name) == 0, "somebody was looked at");
}

static void listed_twice(const struct holder *holder)
{
	struct gk_sought files[2] = { sought(holder->name), sought(holder->name) };
	uint32_t pid = (uint32_t)holder->pid, complete;
	struct gk_report report;

	begin("proc", "a file with two names has its holder under both");
	expect(!gk_find_holders(&pid, 1, files, 2, 5000, &complete, &report), "%s", report.message);
	for (int i = 0; i < 2; i++)
		expect(files[i].pid == pid, "name %d has the holder %u", i, (unsigned int)files[i].pid);
}

/* A process whose mount namespace does not show the file system cannot have opened the file by itself. */
static _Noreturn void hold_where_it_is_not_mounted(const char *name, int ready)
{
	int fd = open(name, O_RDWR);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(4);
	if (fd < 0 || unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(1);
	while (!umount2("/dev/shm", MNT_DETACH))
		;
	if (write(ready, "", 1) != 1)
		_exit(2);
	pause();
	_exit(3);
}

static void not_mounted(const char *name)
{
	struct gk_sought file = sought(name);
	struct gk_report report;
	uint32_t complete, pid;
	char byte;
	int ends[2];

	begin("proc", "a process whose mount namespace does not show the file system is left out");
	if (!expect(!pipe(ends), "%m"))
		return;
	fflush(NULL);
	pid = (uint32_t)fork();
	if (pid == 0)
		hold_where_it_is_not_mounted(name, ends[1]);
	close(ends[1]);
	expect(read(ends[0], &byte, 1) == 1, "it does not hold the file");
	close(ends[0]);
	expect(!gk_find_holders(&pid, 1, &file, 1, 5000, &complete, &report) && complete == 1, "%s",
	       report.message);
	expect(file.pid == 0, "it was looked at");
	kill((pid_t)pid, SIGKILL);
	waitpid((pid_t)pid, NULL, 0);
}

/* This process itself is looked at again and again. */
static void in_time(const char *name)
{
	struct timespec before, after;
	struct gk_sought file = sought(name);
	struct gk_report report;
	uint32_t complete, *pids;
	double seconds;

	begin("proc", "a search for holders ends when its time is up, and says so");
	pids = malloc(MANY * sizeof(*pids));
	if (!expect(pids, "%m"))
		return;
	for (int i = 0; i < MANY; i++)
		pids[i] = (uint32_t)getpid();
	clock_gettime(CLOCK_MONOTONIC, &before);
	expect(!gk_find_holders(pids, MANY, &file, 1, 20, &complete, &report), "%s", report.message);
	clock_gettime(CLOCK_MONOTONIC, &after);
	seconds = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
	expect(complete == 0 && file.pid == 0, "complete %u, process %u", complete, (unsigned int)file.pid);
	expect(seconds < 2, "it took %.1f s", seconds);
	free(pids);
}

void holder_cases(void)
{
	struct holder holders[WAYS] = { 0 }, nobody = { 0 };
	bool ready = true;

	begin("proc", "processes hold files on /dev/shm");
	for (int i = 0; i < WAYS; i++)
		ready &= expect(!start((enum way)i, &holders[i]), "cannot hold a file in way %d", i);
	ready &= expect(!make(OPEN, &nobody), "cannot make a file");
	if (ready) {
		each_way(holders, nobody.name);
		listed_twice(&holders[OPEN]);
		not_mounted(nobody.name);
		in_time(nobody.name);
	}
	for (int i = 0; i < WAYS; i++)
		end(&holders[i]);
	remove(nobody.name);
}

// SPDX-License-Identifier: MIT
/* Threads that have other descriptors than their process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "ghostkeep.h"
#include "tap.h"

#define EACH 300 /* threads with a table of their own, and as many without */

struct shared {
	/*
	 * All threads and the process that asks about them wait here: first until all exist, and then
	 * until all may end.
	 */
	pthread_barrier_t barrier;
	uint32_t apart[EACH];
};

static struct shared *shared;

static void *live(void *slot)
{
	if (slot && !unshare(CLONE_FILES))
		*(uint32_t *)slot = (uint32_t)gettid();
	pthread_barrier_wait(&shared->barrier);
	pthread_barrier_wait(&shared->barrier);
	return NULL;
}

/* Runs in a process of its own, because threads of other cases come and go in this one. */
static _Noreturn void live_in_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 2 * EACH; i++)
		if (pthread_create(&thread, NULL, live, i % 2 ? &shared->apart[i / 2] : NULL))
			_exit(1);
	pthread_exit(NULL);
}

static int is_apart(uint32_t tid)
{
	for (int i = 0; i < EACH; i++)
		if (shared->apart[i] == tid)
			return 1;
	return 0;
}

/*
 * From then on the process of this thread has no table. Field 3 of stat comes after a name that
 * has no ")" in it.
 */
static void await_end_of_main_thread(pid_t pid)
{
	char path[32], text[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 10000 && !strstr(text, ") Z"); i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

		text[got < 0 ? 0 : got] = '\0';
		close(fd);
		usleep(1000);
	}
	expect(strstr(text, ") Z"), "%s", text);
}

/*
 * One thread for each table: the threads with tables of their own, and one of those that share
 * the table of the process, whose main thread has ended.
 */
static void check_tables(uint32_t pid)
{
	uint32_t tids[EACH + 1], count, own = 0;
	struct gk_report report;

	expect(!gk_fd_tables(pid, EACH + 1, tids, &count, &report), "%s", report.message);
	for (uint32_t i = 0; i < count; i++) {
		own += (uint32_t)is_apart(tids[i]);
		for (uint32_t k = 0; k < i; k++)
			expect(tids[i] != tids[k], "%u twice", tids[i]);
	}
	expect(count == EACH + 1 && own == EACH, "%u tables, %u of their own", count, own);
	expect(gk_fd_tables(pid, EACH, tids, &count, &report) == -E2BIG && count == 0, "%u fit", count);
}

/* Calls the library as below a container engine's seccomp filter. The child asks about itself. */
static _Noreturn void ask_without_kcmp(void)
{
	struct sock_filter refuse[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kcmp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(refuse) / sizeof(*refuse), refuse };
	uint32_t self = (uint32_t)getpid(), tids[4], count;
	struct gk_report report;
	pthread_t thread;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(2);
	if (gk_fd_tables(self, 4, tids, &count, &report) || count != 0)
		_exit(3);
	pthread_barrier_init(&shared->barrier, NULL, 2);
	if (pthread_create(&thread, NULL, live, NULL))
		_exit(4);
	pthread_barrier_wait(&shared->barrier);
	_exit(gk_fd_tables(self, 4, tids, &count, &report) || count != 1 || tids[0] == self);
}

static void without_kcmp(void)
{
	int status = -1;
	pid_t pid;

	begin("proc", "where tables may not be compared, each thread counts as having its own");
	pid = fork();
	if (pid == 0)
		ask_without_kcmp();
	expect(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "status %x", status);
}

void fd_table_cases(void)
{
	pthread_barrierattr_t between;
	struct gk_report report;
	uint32_t tid, count;
	pid_t pid;

	begin("proc", "one thread is found for each table of descriptors");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!expect(shared != MAP_FAILED, "%m"))
		return;
	pthread_barrierattr_init(&between);
	pthread_barrierattr_setpshared(&between, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &between, 2 * EACH + 1);
	pid = fork();
	if (pid == 0)
		live_in_threads();
	if (expect(pid > 0, "%m")) {
		alarm(60);
		pthread_barrier_wait(&shared->barrier);
		await_end_of_main_thread(pid);
		check_tables((uint32_t)pid);
		pthread_barrier_wait(&shared->barrier);
		alarm(0);
		waitpid(pid, NULL, 0);
	}
	without_kcmp();
	munmap(shared, sizeof(*shared));

	begin("proc", "a process with one table has no such thread; a process that is gone is an error");
	expect(!gk_fd_tables((uint32_t)getpid(), 1, &tid, &count, &report) && count == 0, "%u", count);
	expect(gk_fd_tables((uint32_t)pid, 1, &tid, &count, &report) == -ENOENT, "%s", report.message);
}

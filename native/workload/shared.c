// SPDX-License-Identifier: MIT
/*
 * Makes a second process that inherits an open file description. The first process proves that both
 * processes still share it: when one of them moves the offset, the offset moves for both.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"
#include "shared.h"
#include "workload.h"

/*
 * The page through which the two processes talk. If it is anonymous and shared, it is a file with link
 * count 0 that is not one of our ghosts, which a dump without CRIU has to leave out. So a test that makes
 * such a dump makes the file DIR/page, and the processes use that instead.
 */
struct shared_page {
	_Atomic uint64_t asked; /* number of the last question */
	_Atomic uint64_t answered;
	_Atomic uint64_t position; /* question: seek here, then say where you are */
	_Atomic uint64_t byte;	   /* answer: the byte that was read at that position */
};

static void pause_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void answer(const struct ghost *ghost)
{
	struct shared_page *page = ghost->page;
	uint64_t asked = page->asked;
	uint8_t byte = 0;
	off_t at;

	if (asked == page->answered)
		return;
	at = lseek(ghost->fd, (off_t)page->position, SEEK_SET);
	(void)!pread(ghost->fd, &byte, 1, at);
	page->byte = byte;
	page->answered = asked;
}

static int map_page(const char *dir, struct shared_page **page)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "%s/page", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	*page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd,
		     0);
	err = *page == MAP_FAILED ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

int start_second_process(const char *dir, struct ghost *ghost)
{
	pid_t parent = getpid();
	int err = map_page(dir, &ghost->page);

	if (err)
		return err;
	ghost->child = fork();
	if (ghost->child < 0)
		return -errno;
	if (ghost->child)
		return 0;
	while (getppid() == parent) {
		answer(ghost);
		pause_ms(20);
	}
	_exit(0);
}

/* Returns true when the second process answered within five seconds. */
static bool ask(struct shared_page *page, uint64_t position)
{
	uint64_t number = page->asked + 1;
	int tries;

	page->position = position;
	page->asked = number;
	for (tries = 0; tries < 500 && page->answered != number; tries++)
		pause_ms(10);
	return page->answered == number;
}

void check_second_process(FILE *to, const struct ghost *ghost)
{
	const char *kind = ghost->kind.name;
	off_t before = lseek(ghost->fd, 0, SEEK_CUR);
	uint64_t position = 77777;
	uint8_t byte = 0;
	bool answered;

	if (kill(ghost->child, 0)) {
		result(to, kind, "second process", false, "pid %d: %s", ghost->child, strerror(errno));
		return;
	}
	answered = ask(ghost->page, position);
	result(to, kind, "second process", answered, "pid %d does not answer", ghost->child);
	if (answered) {
		off_t now = lseek(ghost->fd, 0, SEEK_CUR);

		pattern_fill(pattern_seed(kind), position, &byte, 1);
		result(to, kind, "offset shared with the second process", now == (off_t)position,
		       "it seeked to %llu, here is %lld", (unsigned long long)position, (long long)now);
		result(to, kind, "data in the second process", ghost->page->byte == byte,
		       "byte %llu is %02x there, not %02x", (unsigned long long)position,
		       (unsigned int)ghost->page->byte, byte);
	}
	lseek(ghost->fd, before, SEEK_SET);
}

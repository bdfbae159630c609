// SPDX-License-Identifier: MIT
/*
 * Descriptors of many processes that are looked at ahead: the result is the same as one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "ghostkeep.h"
#include "tap.h"

#define PROCESSES 80 /* more than it looks at ahead */
#define NOBODY 5
#define NO_PID 4194305 /* above the largest pid_max */
#define ROOM 64

struct seen {
	uint64_t files, suspects, carriers;
	uint64_t sum; /* of the numbers and inodes, in whatever portions they came */
};

static void add(struct seen *seen, const struct gk_open_file *files, const uint32_t *suspects,
		const uint32_t *carriers, const struct gk_open_counts *counts)
{
	seen->files += counts->files;
	seen->suspects += counts->suspects;
	seen->carriers += counts->carriers;
	for (uint32_t i = 0; i < counts->files; i++)
		seen->sum += files[i].fd * 31 + files[i].dev * 7 + files[i].ino;
	for (uint32_t i = 0; i < counts->suspects; i++)
		seen->sum += suspects[i] * UINT64_C(1000003);
	for (uint32_t i = 0; i < counts->carriers; i++)
		seen->sum += carriers[i] * UINT64_C(2000003);
}

static struct seen one_by_one(uint32_t pid)
{
	struct gk_open_file files[ROOM];
	uint32_t suspects[ROOM], carriers[ROOM];
	const struct gk_open_room room = { .capacity = ROOM };
	struct gk_open_counts counts;
	struct gk_report report;
	struct seen seen = { 0 };
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	while (!gk_open_files(fd, &room, NULL, NULL, files, suspects, carriers, &counts, &report) &&
	       counts.looked)
		add(&seen, files, suspects, carriers, &counts);
	close(fd);
	return seen;
}

static int in_turn(uint64_t ahead, uint32_t capacity, struct seen *seen)
{
	struct gk_open_file files[ROOM];
	uint32_t suspects[ROOM], carriers[ROOM];
	struct gk_open_counts counts;
	struct gk_report report;
	int err;

	memset(seen, 0, sizeof(*seen));
	while (!(err = gk_ahead_take(ahead, capacity, files, suspects, carriers, &counts, &report)) &&
	       counts.looked)
		add(seen, files, suspects, carriers, &counts);
	return err;
}

/* A third of the files that each process holds has no name. */
static pid_t start_holder(int number)
{
	char name[32];
	pid_t pid = fork();

	if (pid)
		return pid;
	for (int i = 0; i < 30 + number; i++) {
		snprintf(name, sizeof(name), "ahead-%d", (int)getpid());
		if (open(name, O_RDWR | O_CREAT, 0600) < 0)
			_exit(1);
		if (i % 3 == 0)
			unlink(name);
		if (i % 3 == 1 && socket(AF_UNIX, SOCK_STREAM, 0) < 0)
			_exit(1);
	}
	unlink(name);
	raise(SIGSTOP);
	_exit(0);
}

static void compare(const uint32_t *pids, uint32_t capacity)
{
	struct gk_report report;
	struct seen seen, direct;
	uint64_t ahead;
	int err;

	begin("ahead", "descriptors of %d processes, one of them gone, %u in each call", PROCESSES, capacity);
	if (!expect(!gk_ahead_begin(pids, PROCESSES, NULL, 0, &ahead, &report), "%s", report.message))
		return;
	for (int i = 0; i < PROCESSES; i++) {
		err = in_turn(ahead, capacity, &seen);
		if (i == NOBODY) {
			expect(err == -ENOENT, "of a process that is gone it returned %d", err);
			continue;
		}
		direct = one_by_one(pids[i]);
		expect(!err, "process %d: %d", i, err);
		expect(seen.suspects >= (30u + i) / 3 && seen.carriers >= (30u + i) / 3 &&
			       !memcmp(&seen, &direct, sizeof(seen)),
		       "process %d: %" PRIu64 " files, %" PRIu64 " suspects, %" PRIu64
		       " carriers; one by one %" PRIu64 ", %" PRIu64 " and %" PRIu64,
		       i, seen.files, seen.suspects, seen.carriers, direct.files, direct.suspects,
		       direct.carriers);
	}
	err = in_turn(ahead, capacity, &seen);
	expect(err == -EINVAL, "after the last it returned %d", err);
	gk_ahead_end(ahead, &report);
}

void ahead_cases(void)
{
	uint32_t pids[PROCESSES];
	struct gk_report report;
	struct seen seen;
	uint64_t ahead;

	for (int i = 0; i < PROCESSES; i++)
		pids[i] = i == NOBODY ? NO_PID : (uint32_t)start_holder(i);
	for (int i = 0; i < PROCESSES; i++)
		if (i != NOBODY)
			waitpid((pid_t)pids[i], NULL, WUNTRACED);
	compare(pids, ROOM);
	compare(pids, 7);
	begin("ahead", "looking ahead ends after the first of %d processes", PROCESSES);
	expect(!gk_ahead_begin(pids, PROCESSES, NULL, 0, &ahead, &report), "%s", report.message);
	expect(!in_turn(ahead, ROOM, &seen), "the first could not be taken");
	gk_ahead_end(ahead, &report);
	for (int i = 0; i < PROCESSES; i++) {
		if (i == NOBODY)
			continue;
		kill((pid_t)pids[i], SIGKILL);
		waitpid((pid_t)pids[i], NULL, 0);
	}
}

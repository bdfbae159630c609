// SPDX-License-Identifier: MIT
/* The whole examination, made by the workload itself, or by a new process that has only the descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "mapping.h"
#include "ready.h"
#include "shared.h"
#include "verdict.h"
#include "workload.h"

/* Put mtime back: the check of a mapping stores into it, which moves the file's mtime. */
static void restore_mtime(int fd, const struct holder *expected)
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		expected->mtime,
	};

	(void)!futimens(fd, times);
}

static void check_extra_descriptors(FILE *to, struct workload *w, const struct ghost *ghost)
{
	const struct holder *second = find_holder(w, ghost->kind.name, "second");
	const struct holder *dup = find_holder(w, ghost->kind.name, "dup");
	struct stat one, other;

	if (dup) {
		check_description(to, dup, dup->fd);
		check_same_description(to, dup->kind, "dup shares the description", ghost->fd, dup->fd);
	}
	if (second) {
		bool same = !fstat(ghost->fd, &one) && !fstat(second->fd, &other) &&
			    one.st_dev == other.st_dev && one.st_ino == other.st_ino;

		check_description(to, second, second->fd);
		result(to, second->kind, "second open is the same file", same,
		       "descriptors %d and %d have different inodes", ghost->fd, second->fd);
	}
}

static void check_descriptors(FILE *to, struct workload *w, const struct ghost *ghost)
{
	const struct holder *main = find_holder(w, ghost->kind.name, "main");

	if (!main) {
		result(to, ghost->kind.name, "known", false, "%s/ready has no such line", w->dir);
		return;
	}
	check_contents(to, &ghost->kind, main, ghost->fd);
	check_description(to, main, ghost->fd);
	check_extra_descriptors(to, w, ghost);
}

static void check_exe(FILE *to, struct workload *w, const struct ghost *ghost)
{
	const struct holder *exe = find_holder(w, ghost->kind.name, "exe");
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	check_contents(to, &ghost->kind, exe, fd);
	close(fd);
}

static void check_ghost(FILE *to, struct workload *w, const struct ghost *ghost)
{
	const struct holder *main = find_holder(w, ghost->kind.name, "main");

	if (ghost->kind.shape == SHAPE_EXE)
		check_exe(to, w, ghost);
	else if (ghost->fd >= 0)
		check_descriptors(to, w, ghost);
	if (ghost->map)
		check_mapping(to, ghost);
	if (ghost->child)
		check_second_process(to, ghost);
	if (ghost->fd >= 0 && main)
		restore_mtime(ghost->fd, main);
}

void verdict(FILE *to, struct workload *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_ghosts; i++)
		check_ghost(to, w, &w->ghosts[i]);
}

/*
 * Check a ghost in a new process that has only the descriptors. A ghost that had no descriptor (mapped,
 * deleted-exe) is expected at FIRST_FD + i all the same. Then its file is checked, but not the open file
 * description.
 */
static void verify_ghost(struct workload *w, const struct ghost *ghost)
{
	const struct holder *any = find_holder(w, ghost->kind.name, NULL);

	if (any && any->fd < 0)
		check_contents(stdout, &ghost->kind, any, ghost->fd);
	else
		check_descriptors(stdout, w, ghost);
}

int verify_inherited(struct workload *w)
{
	unsigned int i;
	int err = read_ready(w);

	if (err)
		return err;
	for (i = 0; i < w->nr_ghosts; i++) {
		w->ghosts[i].fd = FIRST_FD + (int)i;
		verify_ghost(w, &w->ghosts[i]);
	}
	printf("end\n");
	return 0;
}

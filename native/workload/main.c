// SPDX-License-Identifier: MIT
/* ghost-workload run DIR KIND…  |  ghost-workload verify DIR KIND… */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "exe.h"
#include "io.h"
#include "kind.h"
#include "make.h"
#include "ready.h"
#include "verdict.h"
#include "workload.h"

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: ghost-workload run|verify DIR KIND...\nkinds:\n");
	print_kinds(stderr);
	return 2;
}

static int parse_kinds(struct workload *w, int count, char **names)
{
	unsigned int i, j;

	if (count < 1 || count > MAX_GHOSTS)
		return -EINVAL;
	w->nr_ghosts = (unsigned int)count;
	for (i = 0; i < w->nr_ghosts; i++) {
		struct ghost *ghost = &w->ghosts[i];

		ghost->fd = ghost->dup_fd = ghost->second_fd = -1;
		if (find_kind(names[i], &ghost->kind))
			return -EINVAL;
		for (j = 0; j < i; j++)
			if (!strcmp(names[i], names[j]))
				return -EINVAL;
	}
	return 0;
}

static int has_exe(const struct workload *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_ghosts; i++)
		if (w->ghosts[i].kind.shape == SHAPE_EXE)
			return 1;
	return 0;
}

/*
 * Make the ghosts, those of the kind `shared` first: the second process, which is forked for them, would
 * also hold any ghost that was made before the fork.
 */
static int make_ghosts(struct workload *w)
{
	unsigned int i, pass;
	int err = 0;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < w->nr_ghosts && !err; i++) {
			enum kind_shape shape = w->ghosts[i].kind.shape;

			if ((shape == SHAPE_SHARED) == (pass == 1))
				continue;
			if (shape == SHAPE_EXE)
				err = add_exe_holder(w, i);
			else
				err = make_ghost(w, i);
		}
	}
	return err;
}

/* Open DIR/alive. Its length never changes and its name stays, so CRIU treats it as an ordinary file. */
static int open_alive(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/alive", dir);
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

static void beat(int alive, unsigned long counter)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "%020lu\n", counter);

	write_all(alive, line, (size_t)length, 0);
}

static void answer_verify(struct workload *w)
{
	char path[PATH_MAX];
	FILE *report;

	snprintf(path, sizeof(path), "%s/verify", w->dir);
	if (unlink(path))
		return;
	report = open_report(w->dir, "verdict");
	if (!report)
		return;
	verdict(report, w);
	fprintf(report, "end\n");
	finish_report(report, w->dir, "verdict");
}

static int live(struct workload *w)
{
	struct timespec tick = { .tv_nsec = 100 * 1000000 };
	unsigned long counter = 0;
	int alive = open_alive(w->dir);

	if (alive < 0)
		return -errno;
	while (!stopped) {
		beat(alive, ++counter);
		answer_verify(w);
		nanosleep(&tick, NULL);
	}
	return 0;
}

static int run(struct workload *w, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	int err;

	if (has_exe(w)) {
		err = run_from_deleted_exe(w, argv);
		if (err)
			return err;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	err = make_ghosts(w);
	if (!err)
		err = write_ready(w);
	return err ? err : live(w);
}

int main(int argc, char **argv)
{
	static struct workload w;
	int err;

	if (argc < 4 || parse_kinds(&w, argc - 3, argv + 3))
		return usage();
	w.dir = argv[2];
	if (!strcmp(argv[1], "run"))
		err = run(&w, argv);
	else if (!strcmp(argv[1], "verify"))
		err = verify_inherited(&w);
	else
		return usage();
	if (err)
		fprintf(stderr, "ghost-workload: %s: %s\n", argv[1], strerror(-err));
	return err || any_not_ok() ? 1 : 0;
}

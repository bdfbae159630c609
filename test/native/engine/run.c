// SPDX-License-Identifier: MIT
/*
 * Prepares the file systems, runs the cases in a child, and cleans up after the child however it
 * ends. With arguments it runs the cases on one directory.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "tap.h"

/* Each takes some 5 ms, and several times that under the sanitizers. */
#ifdef __SANITIZE_ADDRESS__
#define RANDOM_FILES 150
#define RANDOM_IMAGES 2000
#define RANDOM_LAYERS 300
#define RANDOM_MAPS 3000
#else
#define RANDOM_FILES 2000
#define RANDOM_IMAGES 5000
#define RANDOM_LAYERS 600
#define RANDOM_MAPS 5000
#endif

static int run_cases(void)
{
	const char *given = getenv("GHOSTKEEP_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	int i;

	for (i = 0; i < PLACES; i++) {
		if (!places[i].usable) {
			begin(places[i].name, "every case");
			skip("%s", places[i].why_not);
			continue;
		}
		shape_cases(&places[i]);
		huge_cases(&places[i]);
		trouble_cases(&places[i]);
		allocation_cases(&places[i]);
		copy_cases(&places[i]);
		over_cases(&places[i]);
		random_cases(&places[i], seed, RANDOM_FILES, 0);
		table_cases(&places[i]);
	}
	fiemap_cases(&places[CWD]);
	walk_cases(&places[TMPFS]);
	many_cases(&places[TMPFS]);
	hostile_cases(&places[TMPFS]);
	image_cases(&places[TMPFS], seed, RANDOM_IMAGES);
	layer_cases(&places[TMPFS], seed, RANDOM_LAYERS);
	map_cases(&places[TMPFS], seed, RANDOM_MAPS);
	small_cases(&places[CWD]);
	ahead_cases();
	fd_table_cases();
	holder_cases();
	bulk_cases(&places[CWD]);
	bulk_cases(&places[TMPFS]);
	sending_cases(&places[TMPFS]);
	tag_cases(&places[TMPFS]);
	moving_cases(&places[CWD]);
	moving_cases(&places[TMPFS]);
	shaping_cases(&places[CWD]);
	shaping_cases(&places[TMPFS]);
	read_ahead_cases(&places[TMPFS]);
	return finish();
}

int main(int argc, char **argv)
{
	int status = 1;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		return run_on_directory(argc, argv);
	prepare_places();
	/* Ctrl-C may end the child; this process has to clean up, so it goes on. */
	signal(SIGINT, SIG_IGN);
	child = fork();
	if (child == 0) {
		signal(SIGINT, SIG_DFL);
		_exit(run_cases());
	}
	if (child > 0)
		waitpid(child, &status, 0);
	leave_places();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

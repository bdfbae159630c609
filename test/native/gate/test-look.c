// SPDX-License-Identifier: MIT
/*
 * The child process of the first look: if it fails in any way, the look must not say `nothing`.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "look/look.h"
#include "look/place.h"
#include "look/processes.h"

#define DEADLINE_MS 200

static const char *how;

int look_at_place(struct look_result *result, int image_dir)
{
	(void)image_dir;
	return strcmp(how, "place") ? 0 : doubt(result, "the place");
}

int look_at_processes(struct look_result *result, int proc_fd, int root)
{
	(void)proc_fd;
	result->pids[result->count++] = root;
	if (!strcmp(how, "doubt"))
		return doubt(result, "a file");
	if (!strcmp(how, "hang"))
		pause();
	if (!strcmp(how, "stop"))
		raise(SIGSTOP);
	if (!strcmp(how, "die")) {
		result->is_nothing = true;
		raise(SIGKILL);
	}
	if (!strcmp(how, "exit")) {
		result->is_nothing = true;
		_exit(1);
	}
	return 0;
}

static int failures;

static void expect(const char *name, int image_dir, bool is_nothing, const char *why)
{
	static struct look_result result;
	struct timespec from, to;
	long ms;

	how = name;
	clock_gettime(CLOCK_MONOTONIC, &from);
	look(&result, 4711, image_dir, DEADLINE_MS);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	if (result.is_nothing != is_nothing || strcmp(result.why, why) || ms > 10 * DEADLINE_MS ||
	    (is_nothing && (result.count != 1 || result.pids[0] != 4711))) {
		printf("FAIL first look, %s: %s \"%s\", %ld ms\n", name,
		       result.is_nothing ? "nothing" : "doubt", result.why, ms);
		failures++;
	}
	if (waitpid(-1, NULL, __WALL | WNOHANG) >= 0) {
		printf("FAIL first look, %s: its child is left\n", name);
		failures++;
	}
}

int main(void)
{
	expect("fine", NO_PLACE, true, "");
	expect("fine", 0, true, "");
	expect("place", NO_PLACE, true, "");
	expect("place", 0, false, "the place");
	expect("doubt", 0, false, "a file");
	expect("hang", 0, false, "the first look took more than 200 ms");
	expect("stop", 0, false, "the first look took more than 200 ms");
	expect("die", 0, false, "the first look was killed");
	expect("exit", 0, false, "the first look was killed");
	if (failures)
		return 1;
	printf("ok   the first look's child\n");
	return 0;
}

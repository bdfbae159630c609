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

#define DEADLINE_MS 1000

static const char *trouble;

int look_at_place(struct look_result *result, int image_dir)
{
	(void)image_dir;
	return strcmp(trouble, "place") ? 0 : doubt(result, "the place");
}

/* The trouble begins with `second` where the second of two processes has the trouble, and the first has none. */
int look_at_processes(struct look_result *result, int proc_fd, int root, const struct share *own)
{
	const char *second = "second ";
	const char *how = trouble;

	(void)proc_fd;
	result->pids[result->count++] = root;
	result->files = 10 / own->count;
	if (own->index == 1 && !strncmp(how, second, strlen(second)))
		how += strlen(second);
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

static void expect(const char *name, int image_dir, int files, bool is_nothing, const char *why)
{
	static struct look_result result;
	struct timespec from, to;
	long ms;

	trouble = name;
	clock_gettime(CLOCK_MONOTONIC, &from);
	look(&result, 4711, image_dir, DEADLINE_MS, files);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	if (result.is_nothing != is_nothing || strcmp(result.why, why) || ms > 10 * DEADLINE_MS ||
	    (is_nothing && (result.count != 1 || result.pids[0] != 4711 || result.files != 10))) {
		printf("FAIL first look, %s: %s \"%s\", %ld ms\n", name,
		       result.is_nothing ? "nothing" : "doubt", result.why, ms);
		failures++;
	}
	if (waitpid(-1, NULL, __WALL | WNOHANG) >= 0) {
		printf("FAIL first look, %s: its child is left\n", name);
		failures++;
	}
}

#define FEW 10
#define MANY 1000

int main(void)
{
	expect("fine", NO_PLACE, FEW, true, "");
	expect("fine", 0, FEW, true, "");
	expect("place", NO_PLACE, FEW, true, "");
	expect("place", 0, FEW, false, "the place");
	expect("place", 0, MANY, false, "the place");
	expect("fine", 0, MANY, true, "");
	for (int files = FEW; files <= MANY; files += MANY - FEW) {
		expect("doubt", 0, files, false, "a file");
		expect("hang", 0, files, false, "the first look took more than 1000 ms");
		expect("stop", 0, files, false, "the first look took more than 1000 ms");
		expect("die", 0, files, false, "the first look was killed");
		expect("exit", 0, files, false, "the first look was killed");
	}
	/* with one processor there is no second process */
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		expect("second doubt", 0, MANY, false, "a file");
		expect("second hang", 0, MANY, false, "the first look took more than 1000 ms");
		expect("second die", 0, MANY, false, "the first look was killed");
		expect("second exit", 0, MANY, false, "the first look was killed");
	}
	if (failures)
		return 1;
	printf("ok   the first look's child\n");
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * ghostkeep-hook STAGE PROGRAM [ARGUMENT...]: the hook that a runtime starts, with the container's
 * state on stdin.
 *
 * Starting Node.js takes longer than starting a small container. So this program first looks
 * whether the container can be one of ours, and ends at once when it surely is not. Nothing else is
 * decided here. In any doubt PROGRAM gets exactly the same bytes; it decides, and says what is wrong.
 *
 * ghostkeep-hook watch-bases …: the watcher that `ghostkeep pre-dump` starts for its bases
 * (bases/watch.c). It is in this program because a watcher has to be small, and every installation has
 * this program.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bases/watch.h"
#include "hand-over.h"
#include "mention.h"
#include "sessions.h"
#include "state.h"

#define EXIT_USAGE 2

/* This has 1 MiB, but the kernel gives it memory only as far as the state that is read reaches. */
static struct state state;

/*
 * Whether a stage is the start of a container. createRuntime is the OCI's newer name for the moment at
 * which runtimes call prestart.
 */
static bool is_start(const char *stage)
{
	return !strcmp(stage, "prestart") || !strcmp(stage, "createRuntime");
}

/* Whether this hook has nothing to do. src/flows/hooks/prestart.ts and poststop.ts decide the same. */
static bool is_surely_not_ours(const char *stage)
{
	if (!state_is_whole(&state) || may_mention_us(&state))
		return false;
	if (is_start(stage))
		return true;
	return !strcmp(stage, "poststop") && !may_have_session(&state);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "watch-bases"))
		return watch_bases(argc, argv);
	if (argc < 3) {
		dprintf(STDERR_FILENO,
			"ghostkeep-hook: usage: ghostkeep-hook prestart|createRuntime|poststop PROGRAM [ARGUMENT...]\n");
		return EXIT_USAGE;
	}
	state_read(&state, STDIN_FILENO, DEADLINE_MS);
	if (is_surely_not_ours(argv[1]))
		return 0;
	return hand_over(&state, argv + 2);
}

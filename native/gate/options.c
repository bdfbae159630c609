// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "criu/criu.h"
#include "criu/key.h"
#include "criu/log.h"
#include "dialogue.h"
#include "options.h"

#define PREFIX "--ghostkeep."
#define REQUEST "option "
#define OPTIONS_MAX 4096 /* all plugins together: with more, the vector is not of the form that we know */

/*
 * Ask CRIU for its plugin options. A CRIU that answers in a form that we do not know may still be able
 * to dump, so we only warn. Then we read no option, and only the policy of the host and of the
 * container's annotations applies.
 */
static bool read_options(int *argc, char ***argv)
{
	int ret;

	if (!criu.get_options)
		return false;
	ret = criu.get_options(argc, argv);
	if (!ret && *argc >= 1 && *argc <= OPTIONS_MAX && *argv)
		return true;
	gate_log(CRIU_LOG_WARN,
		 "CRIU's plugin options cannot be read (it returned %d for %d arguments), so none counts",
		 ret, *argc);
	return false;
}

static int send_option(struct helper *helper, const char *option)
{
	char request[CHANNEL_LINE_BYTES];

	if (strlen(option) + sizeof(REQUEST "\n") - 1 > sizeof(request) || has_controls(option)) {
		gate_log(CRIU_LOG_ERROR,
			 "cannot accept the plugin option ghostkeep.%.80s: it is too long or not printable",
			 option);
		return -1;
	}
	snprintf(request, sizeof(request), REQUEST "%s", option);
	return ask(helper, request) == ANSWER_DONE ? 0 : -1;
}

/* Whether a plugin option is ours, and not another plugin's. */
static bool is_ours(const char *option)
{
	return option && !strncmp(option, PREFIX, strlen(PREFIX));
}

bool has_options(void)
{
	char **argv = NULL;
	int argc = 0;

	if (!read_options(&argc, &argv))
		return false;
	for (int i = 1; i < argc; i++)
		if (is_ours(argv[i]))
			return true;
	return false;
}

int send_options(struct helper *helper)
{
	char **argv = NULL;
	int argc = 0;
	int i;

	if (!read_options(&argc, &argv))
		return 0;
	for (i = 1; i < argc; i++)
		if (is_ours(argv[i]) && send_option(helper, argv[i] + strlen(PREFIX)))
			return -1;
	return 0;
}

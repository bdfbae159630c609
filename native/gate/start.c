// SPDX-License-Identifier: MIT
#include <dlfcn.h>

#include "criu/log.h"
#include "dialogue.h"
#include "start.h"

int start_helper(struct helper *helper, const char *mode, int image_dir)
{
	enum answer answer = ANSWER_NONE;

	if (!helper_start(helper, mode, image_dir))
		answer = await_ready(helper);
	if (answer == ANSWER_DONE)
		return 0;
	helper_end(helper);
	/* a helper that refused gets no message here: it has started well, and has said why */
	if (answer == ANSWER_NONE && helper->silent)
		gate_log(
			CRIU_LOG_ERROR,
			"the helper has not started in time: the host is too busy, or a disk or a server hangs; try again, or remove %s to do without it",
			plugin_path());
	else if (answer == ANSWER_NONE)
		gate_log(CRIU_LOG_ERROR,
			 "the helper does not start: reinstall ghostkeep, or remove %s to do without it",
			 plugin_path());
	return -1;
}

const char *plugin_path(void)
{
	Dl_info info;

	if (dladdr(plugin_path, &info) && info.dli_fname)
		return info.dli_fname;
	return "ghostkeep.so";
}

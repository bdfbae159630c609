// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "criu/criu.h"
#include "criu/log.h"
#include "dialogue.h"
#include "restore.h"
#include "start.h"

static struct helper helper;
static bool begun; /* there is something to finish */

static int begin_with_helper(int image_dir);

int restore_begin(void)
{
	int image_dir = criu.get_image_dir();
	int ours;

	helper_kill(&helper); /* of a restore that CRIU never ended */
	if (image_dir < 0)
		return 0;
	ours = openat(image_dir, "ghostkeep", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ours < 0 && errno == ENOENT)
		return 0;
	if (ours < 0) {
		gate_log(CRIU_LOG_ERROR, "cannot check the image: ghostkeep/ in it cannot be opened: %s",
			 strerror(errno));
		return -1;
	}
	close(ours);
	return begin_with_helper(image_dir);
}

static int begin_with_helper(int image_dir)
{
	if (start_helper(&helper, "restore", image_dir))
		return -1;
	begun = true;
	if (ask(&helper, "restore") != ANSWER_DONE) {
		restore_end(-1); /* CRIU will not call it */
		return -1;
	}
	/* every byte is there now: without the helper this is still a restore */
	helper.loss = CRIU_LOG_WARN;
	return 0;
}

int restore_resumed(int pid)
{
	char request[32];

	/* no process: criu#3105 calls once with -1, and others still come */
	if (pid <= 0)
		return -ENOTSUP;
	if (begun && helper.running) {
		snprintf(request, sizeof(request), "resumed %d", pid);
		if (ask(&helper, request) != ANSWER_DONE)
			gate_log(
				CRIU_LOG_WARN,
				"the processes go on: their files have all their bytes, but extended attributes and exact times may be missing");
	}
	/*
	 * The first process stands for all, and the helper ends here: a CRIU
	 * that stays attached comes to exit() only after they have ended, and
	 * as pid 1 it would wait for the helper, too, which waits for it.
	 */
	restore_end(0);
	/* as at a dump: with 0 a GPU's plugin would not hear of this process */
	return -ENOTSUP;
}

void restore_end(int ret)
{
	enum answer answer = ANSWER_NONE;
	char request[32];

	if (!begun)
		return;
	begun = false;
	if (helper.running) {
		snprintf(request, sizeof(request), "finish %d", ret);
		answer = ask(&helper, request);
	}
	if (answer != ANSWER_DONE)
		gate_log(CRIU_LOG_WARN, "what was only needed for the restore was not cleaned up");
	helper_end(&helper);
}

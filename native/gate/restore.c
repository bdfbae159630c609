// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "criu/criu.h"
#include "criu/log.h"
#include "dialogue.h"
#include "restore.h"
#include "start.h"

static struct helper helper;
static bool begun; /* the helper has to be told to finish */

static int holds_dump(int image_dir);
static int begin_with_helper(int image_dir);

int restore_begin(void)
{
	int image_dir = criu.get_image_dir();
	int held;

	helper_kill(&helper); /* left from a restore that CRIU never ended */
	if (image_dir < 0)
		return 0;
	held = holds_dump(image_dir);
	if (held <= 0)
		return held;
	return begin_with_helper(image_dir);
}

/*
 * Returns 1 when the image directory holds a dump of ours, 0 when it does not, -1 when that cannot
 * be told. A sealed dump has the file ghostkeep-manifest.json. The folder ghostkeep holds a dump that is
 * not sealed, or one that an old version sealed there. Anything else with one of these names must not
 * pass for "no dump".
 */
static int holds_dump(int image_dir)
{
	static const struct {
		const char *name, *what;
		mode_t type;
	} ours[] = {
		{ "ghostkeep-manifest.json", "regular file", S_IFREG },
		{ "ghostkeep", "folder", S_IFDIR },
	};
	struct stat found;
	size_t i;
	int held = 0;

	for (i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		if (fstatat(image_dir, ours[i].name, &found, AT_SYMLINK_NOFOLLOW)) {
			if (errno == ENOENT)
				continue;
			gate_log(CRIU_LOG_ERROR, "cannot check the image: %s in it: %s", ours[i].name,
				 strerror(errno));
			return -1;
		}
		if ((found.st_mode & S_IFMT) != ours[i].type) {
			gate_log(CRIU_LOG_ERROR, "cannot check the image: %s in it is no %s", ours[i].name,
				 ours[i].what);
			return -1;
		}
		held = 1;
	}
	return held;
}

static int begin_with_helper(int image_dir)
{
	if (start_helper(&helper, "restore", image_dir))
		return -1;
	begun = true;
	if (ask(&helper, "restore") != ANSWER_DONE) {
		restore_end(-1); /* CRIU does not call exit() after a failed init() */
		return -1;
	}
	/* CRIU restores all bytes from the image that was checked: from now on a lost helper loses none */
	helper.loss = CRIU_LOG_WARN;
	return 0;
}

int restore_resumed(int pid)
{
	char request[32];

	/* this is no process: criu#3105 calls once with -1, and other calls follow */
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
	 * The first process stands for all, so the helper's work ends here and not in exit(). A CRIU
	 * that stays attached calls exit() only after the processes have ended. A CRIU that is pid 1
	 * would also wait for the helper to end, while the helper waits for exit().
	 */
	restore_end(0);
	/* not 0, for the same reason as at a dump: a GPU's plugin would not hear of this process */
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

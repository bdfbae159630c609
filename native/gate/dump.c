// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "criu/criu.h"
#include "criu/log.h"
#include "dialogue.h"
#include "dump.h"
#include "first-look.h"
#include "options.h"
#include "start.h"

static struct helper helper;
static struct {
	bool active;	    /* between init(DUMP) and its exit */
	bool alone;	    /* the helper has not been needed so far */
	bool failed;	    /* after one failure the dump cannot be good */
	unsigned int asked; /* how many processes CRIU has asked us about */
	int first;	    /* the pid of the first of these */
	int image_dir;
	char images[512]; /* the image directory, for messages */
} dump;

static void remember_images(int image_dir)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", image_dir);
	length = readlink(link, dump.images, sizeof(dump.images) - 1);
	if (length <= 0 || length == sizeof(dump.images) - 1)
		length = snprintf(dump.images, sizeof(dump.images), "DIR");
	dump.images[length] = '\0';
}

/* Start a helper that knows the options which CRIU was given for us. */
static int start_dump_helper(int image_dir)
{
	if (start_helper(&helper, "dump", image_dir))
		return -1;
	if (!send_options(&helper))
		return 0;
	helper_end(&helper);
	return -1;
}

/*
 * Ask the helper for a warm pass. The container still runs, and bytes that are copied now need not be
 * copied while it is frozen. When the helper fails here, nothing that matters is lost: another helper
 * takes its place.
 */
static int warm_up(int image_dir, int pid)
{
	char request[32];

	if (!pid)
		return 0;
	snprintf(request, sizeof(request), "warm %d", pid);
	helper.loss = CRIU_LOG_WARN;
	if (ask(&helper, request) == ANSWER_NONE) {
		gate_log(CRIU_LOG_WARN, "the dump does without a warm pass");
		return start_dump_helper(image_dir);
	}
	helper.loss = CRIU_LOG_ERROR;
	return 0;
}

int dump_begin(void)
{
	int image_dir = criu.get_image_dir();
	int root = criu_root_pid();

	helper_kill(&helper); /* left from a dump that CRIU never ended */
	memset(&dump, 0, sizeof(dump));
	if (image_dir < 0) {
		gate_log(CRIU_LOG_ERROR,
			 "cannot dump: CRIU has no image directory open; remove %s to do without ghostkeep",
			 plugin_path());
		return -1;
	}
	remember_images(image_dir);
	dump.image_dir = image_dir;
	dump.alone = !has_options() && first_look_begin(root, image_dir);
	if (!dump.alone && (start_dump_helper(image_dir) || warm_up(image_dir, root)))
		return -1;
	dump.active = true;
	return 0;
}

static bool ask_about(int pid)
{
	char request[32];

	snprintf(request, sizeof(request), "checkpoint %d", pid);
	return ask_for_keys(&helper, request) == ANSWER_DONE;
}

/*
 * Start the helper while all processes are frozen, because a ghost may have come since the first look.
 * The helper is asked about the first process as well, because it has to know all open files: two of
 * them may have the same key.
 */
static bool start_late(int pid, const char *why)
{
	gate_log(CRIU_LOG_WARN, "the helper starts late, while the processes are frozen: %s", why);
	first_look_end();
	dump.alone = false;
	if (start_dump_helper(dump.image_dir))
		return false;
	return pid == dump.first || ask_about(dump.first);
}

/* Look at this process and those below it, or let the helper do so. Returns false if that has failed. */
static bool take_care_of(int pid)
{
	const char *why = dump.alone ? first_look_again(pid) : NULL;

	if (why && !start_late(pid, why))
		return false;
	return dump.alone || ask_about(pid);
}

int dump_checkpoint(int pid)
{
	if (!dump.active)
		return -ENOTSUP; /* a pre-dump */
	if (pid <= 0)
		return -ENOTSUP; /* this is no process: criu#3105 calls once with -1 */
	if (!dump.asked++)
		dump.first = pid;
	if (!dump.failed)
		dump.failed = !take_care_of(pid);
	if (dump.failed)
		return -1;
	/*
	 * This means success, but it must not be 0: CRIU would then ask no other plugin about this
	 * process, and a GPU's plugin would never learn of it. With -ENOTSUP, CRIU goes on as if
	 * this plugin did not exist.
	 */
	return -ENOTSUP;
}

static void log_outcome(enum answer answer, int ret)
{
	if (ret) {
		if (answer != ANSWER_DONE)
			gate_log(
				CRIU_LOG_WARN,
				"the failed dump was not cleaned up: the folder ghostkeep in the image directory can be removed");
		else if (!dump.alone)
			gate_log(
				CRIU_LOG_INFO,
				dump.failed ?
					"the dump failed for the reason that ghostkeep has given above" :
					"CRIU's dump failed; a line with Error above this one has the reason");
		return;
	}
	if (answer != ANSWER_DONE)
		gate_log(
			CRIU_LOG_ERROR,
			"THE IMAGE IS NOT SEALED and cannot be restored yet. Nothing is lost: `ghostkeep seal -D %s` does it again",
			dump.images);
	else if (!dump.asked)
		gate_log(CRIU_LOG_WARN,
			 "another plugin has answered for every process: their ghosts were left to CRIU");
	else if (dump.alone)
		gate_log(CRIU_LOG_INFO, "there was nothing to seal");
	else
		gate_log(CRIU_LOG_INFO, "sealed");
}

void dump_end(int ret)
{
	/* a dump that needed no helper has nothing to seal, and nothing to clean up */
	enum answer answer = dump.alone ? ANSWER_DONE : ANSWER_NONE;
	char request[32];

	if (!dump.active)
		return;
	first_look_end();
	if (dump.failed && !ret) {
		/* a hook has failed and CRIU went on, which no CRIU that we know does: seal nothing */
		gate_log(CRIU_LOG_ERROR,
			 "CRIU WENT ON after a refusal: ghosts are missing in this image, do not use it");
		ret = -1;
	}
	if (helper.running) {
		snprintf(request, sizeof(request), "finish %d", ret);
		answer = ask(&helper, request);
	}
	log_outcome(answer, ret);
	helper_leave(&helper);
	dump.active = false;
}

// SPDX-License-Identifier: MIT
/*
 * The gate: a CRIU plugin that lets `ghostkeep gate` take part in a dump.
 *
 * It decides nothing. It starts the helper before anything is frozen, asks it
 * about each frozen process, hands its keys to CRIU and tells it the outcome.
 * What the two say to each other is in PROTOCOL.md.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "criu.h"
#include "dialogue.h"
#include "helper.h"
#include "log.h"

#define EXPORTED __attribute__((visibility("default")))
#define HOOKS (CRIU_HOOK_CHECKPOINT_DEVICES + 1)

static struct helper helper;
static struct {
	bool active;			/* between init(DUMP) and its exit */
	bool failed;			/* once, and the dump cannot be good */
	unsigned int asked;		/* processes that we were asked about */
	char images[512];		/* where the image goes, for messages */
} dump;

static int gate_init(int stage);
static void gate_exit(int stage, int ret);
static int gate_checkpoint(int pid);

/* Accepted by any CRIU as it is; open_gate() makes it useful. */
EXPORTED struct criu_plugin_desc CR_PLUGIN_DESC = {
	.name = "ghostkeep",
	.init = gate_init,
	.exit = gate_exit,
	.version = CRIU_PLUGIN_ABI_VERSION,
	.max_hooks = 0,
	.hooks = { [HOOKS - 1] = NULL },
};

/* CRIU judges the descriptor before it calls us, so this comes before that. */
__attribute__((constructor))
static void open_gate(void)
{
	find_criu();
	if (criu.why_inert[0])
		return;
	CR_PLUGIN_DESC.hooks[CRIU_HOOK_CHECKPOINT_DEVICES] = gate_checkpoint;
	CR_PLUGIN_DESC.max_hooks = HOOKS;
}

static const char *plugin_path(void)
{
	Dl_info info;

	if (dladdr(&CR_PLUGIN_DESC, &info) && info.dli_fname)
		return info.dli_fname;
	return "ghostkeep.so";
}

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

static int start_helper(const char *mode, int image_dir)
{
	if (!helper_start(&helper, mode, image_dir) &&
	    await_ready(&helper) == ANSWER_DONE)
		return 0;
	helper_end(&helper);
	gate_log(CRIU_LOG_ERROR, "the helper does not start: reinstall ghostkeep, or remove %s to do without it",
		 plugin_path());
	return -1;
}

static int begin_dump(void)
{
	int image_dir = criu.get_image_dir();

	helper_kill(&helper);	/* of a dump that CRIU never ended */
	memset(&dump, 0, sizeof(dump));
	if (image_dir < 0) {
		gate_log(CRIU_LOG_ERROR, "cannot dump: CRIU has no image directory open; remove %s to do without ghostkeep",
			 plugin_path());
		return -1;
	}
	remember_images(image_dir);
	if (start_helper("dump", image_dir))
		return -1;
	dump.active = true;
	return 0;
}

/* Only an image that ghostkeep has had a part in needs a look. */
static int check_image(void)
{
	int image_dir = criu.get_image_dir();
	int ours;
	enum answer answer;

	if (image_dir < 0)
		return 0;
	ours = openat(image_dir, "ghostkeep",
		      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ours < 0 && errno == ENOENT)
		return 0;
	if (ours < 0) {
		gate_log(CRIU_LOG_ERROR, "cannot check the image: ghostkeep/ in it cannot be opened: %s",
			 strerror(errno));
		return -1;
	}
	close(ours);
	if (start_helper("restore", image_dir))
		return -1;
	answer = ask(&helper, "restore");
	helper_end(&helper);
	return answer == ANSWER_DONE ? 0 : -1;
}

static int gate_init(int stage)
{
	if (criu.why_inert[0]) {
		gate_log(CRIU_LOG_WARN, "inert: %s; `ghostkeep checkpoint` does the job here",
			 criu.why_inert);
		return 0;
	}
	if (stage == CRIU_STAGE_DUMP)
		return begin_dump();
	if (stage == CRIU_STAGE_RESTORE)
		return check_image();
	return 0;
}

static int gate_checkpoint(int pid)
{
	char request[32];

	if (!dump.active)
		return -ENOTSUP;	/* a pre-dump */
	dump.asked++;
	if (!dump.failed) {
		snprintf(request, sizeof(request), "checkpoint %d", pid);
		dump.failed = ask_for_keys(&helper, request) != ANSWER_DONE;
	}
	if (dump.failed)
		return -1;
	/*
	 * Well done, and yet not 0: CRIU would then ask no other plugin about
	 * this process, and a GPU's would never learn of it. With -ENOTSUP it
	 * goes on, as if we were not there.
	 */
	return -ENOTSUP;
}

static void log_outcome(enum answer answer, int ret)
{
	if (ret) {
		if (answer != ANSWER_DONE)
			gate_log(CRIU_LOG_WARN, "the failed dump was not cleaned up: `ghostkeep doctor --clean` does it");
		else
			gate_log(CRIU_LOG_INFO, "the dump failed, and its remains are removed");
		return;
	}
	if (answer != ANSWER_DONE)
		gate_log(CRIU_LOG_ERROR, "THE IMAGE IS NOT SEALED and cannot be restored yet. Nothing is lost: `ghostkeep seal -D %s` does it again",
			 dump.images);
	else if (!dump.asked)
		gate_log(CRIU_LOG_WARN, "another plugin has answered for every process: their ghosts were left to CRIU");
	else
		gate_log(CRIU_LOG_INFO, "sealed");
}

static void end_dump(int ret)
{
	enum answer answer = ANSWER_NONE;
	char request[32];

	if (dump.failed && !ret) {
		/* no CRIU that we know does this; it must not be sealed */
		gate_log(CRIU_LOG_ERROR, "CRIU WENT ON after a refusal: ghosts are missing in this image, do not use it");
		ret = -1;
	}
	if (helper.running) {
		snprintf(request, sizeof(request), "finish %d", ret);
		answer = ask(&helper, request);
	}
	log_outcome(answer, ret);
	helper_end(&helper);
	dump.active = false;
}

static void gate_exit(int stage, int ret)
{
	if (stage == CRIU_STAGE_DUMP && dump.active)
		end_dump(ret);
	helper_kill(&helper);
}

// SPDX-License-Identifier: MIT
/*
 * The gate is a CRIU plugin that lets `ghostkeep gate` take part in dump and restore.
 *
 * The gate decides only one thing: whether the helper is surely not needed (look/). If it may be needed,
 * the gate starts the helper before anything is frozen or restored, or late, if a ghost has come just
 * before the freeze. It asks the helper about each process, hands the helper's keys to CRIU and tells
 * the helper the outcome. PROTOCOL.md describes what gate and helper say to each other.
 */
#include <stddef.h>

#include "criu/criu.h"
#include "criu/log.h"
#include "dump.h"
#include "restore.h"

#define EXPORTED __attribute__((visibility("default")))
#define HOOKS (CRIU_HOOK_CHECKPOINT_DEVICES + 1)

static int gate_init(int stage);
static void gate_exit(int stage, int ret);

/* Any CRIU accepts this descriptor as it is. In a CRIU that we know, open_gate() adds the hooks. */
EXPORTED struct criu_plugin_desc CR_PLUGIN_DESC = {
	.name = "ghostkeep",
	.init = gate_init,
	.exit = gate_exit,
	.version = CRIU_PLUGIN_ABI_VERSION,
	.max_hooks = 0,
	.hooks = { [HOOKS - 1] = NULL },
};

/* Fill in the descriptor. This is a constructor, because CRIU checks it before it calls the plugin. */
__attribute__((constructor)) static void open_gate(void)
{
	find_criu();
	if (criu.why_inert[0])
		return;
	CR_PLUGIN_DESC.hooks[CRIU_HOOK_RESUME_DEVICES_LATE] = restore_resumed;
	CR_PLUGIN_DESC.hooks[CRIU_HOOK_CHECKPOINT_DEVICES] = dump_checkpoint;
	CR_PLUGIN_DESC.max_hooks = HOOKS;
}

static int gate_init(int stage)
{
	if (criu.why_inert[0]) {
		gate_log(CRIU_LOG_WARN, "inert: %s; `ghostkeep checkpoint` does the job here",
			 criu.why_inert);
		return 0;
	}
	if (criu.hooks > CRIU_HOOKS_RUN)
		gate_log(
			CRIU_LOG_INFO,
			"this CRIU has %u plugin hooks, and ghostkeep was run with %d at most: it uses only hooks %d and %d",
			criu.hooks, CRIU_HOOKS_RUN, CRIU_HOOK_RESUME_DEVICES_LATE,
			CRIU_HOOK_CHECKPOINT_DEVICES);
	if (stage == CRIU_STAGE_DUMP)
		return dump_begin();
	if (stage == CRIU_STAGE_RESTORE)
		return restore_begin();
	return 0;
}

static void gate_exit(int stage, int ret)
{
	if (stage == CRIU_STAGE_DUMP)
		dump_end(ret);
	else if (stage == CRIU_STAGE_RESTORE)
		restore_end(ret);
}

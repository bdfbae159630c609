/* SPDX-License-Identifier: MIT */
/*
 * The interface between CRIU and a plugin, as far as the gate uses it.
 *
 * It is described from CRIU's documented behaviour and from the symbols of its binaries (Debian's
 * 3.17.1, 4.1.1), in our words: CRIU's own header is GPL-2.0 and is not needed to build this.
 */
#ifndef CRIU_PLUGIN_ABI_H
#define CRIU_PLUGIN_ABI_H

/* Version 0.2.0, as major << 16 | minor << 8 | patch. */
#define CRIU_PLUGIN_ABI_VERSION 512

enum criu_stage {
	CRIU_STAGE_DUMP = 0,
	CRIU_STAGE_PRE_DUMP = 1,
	CRIU_STAGE_RESTORE = 2,
};

/*
 * int hook(int pid): CRIU calls it at restore for each process that is not a zombie, when
 * everything is restored. CRIU still holds all processes stopped. pid is the pid in CRIU's own pid
 * namespace. The return value cannot make the restore fail. After -ENOTSUP, CRIU asks the next
 * plugin about this process, and after any other value it asks none, as with
 * CRIU_HOOK_CHECKPOINT_DEVICES.
 */
#define CRIU_HOOK_RESUME_DEVICES_LATE 9

/*
 * int hook(int pid): CRIU calls it for each process, when all processes are frozen and nothing is
 * dumped yet. A negative return aborts the dump. -ENOTSUP means "not mine", and CRIU asks the next
 * plugin. After any other value, 0 included, CRIU does not ask the plugins that were loaded later
 * about this process.
 */
#define CRIU_HOOK_CHECKPOINT_DEVICES 11

/*
 * CRIU's symbol root_item points to the item of the first process of a dump, which CRIU knows before
 * init(DUMP). Only the beginnings of this struct and of the next one are described, as seen in 4.1.1.
 */
struct criu_pstree_item {
	void *parent, *children[2], *sibling[2];
	void *pid; /* struct criu_pid */
};

struct criu_pid {
	void *item; /* back to the struct criu_pstree_item */
	int real;   /* the pid in CRIU's pid namespace */
};

/* By default CRIU prints levels up to WARN; runtimes ask for DEBUG. */
enum criu_log_level {
	CRIU_LOG_MSG = 0,
	CRIU_LOG_ERROR = 1,
	CRIU_LOG_WARN = 2,
	CRIU_LOG_INFO = 3,
	CRIU_LOG_DEBUG = 4,
};

/*
 * A plugin exports one of these as CR_PLUGIN_DESC. CRIU reads version and max_hooks before it calls
 * anything of the plugin. When one of the two is above CRIU's own, CRIU calls the plugin corrupted, and
 * every dump fails.
 */
struct criu_plugin_desc {
	const char *name;
	int (*init)(int stage);
	void (*exit)(int stage, int ret);
	unsigned int version;
	unsigned int max_hooks;
	void *hooks[];
};

/* The number of hooks in CRIU 4.2.1, the newest CRIU that we have run. criu-dev has 17. */
#define CRIU_HOOKS_RUN 13

/*
 * CRIU's symbol cr_plugin_ctl is an array: one list head, and one more for each hook. So the symbol's
 * size tells how many hooks this CRIU has.
 */
#define CRIU_PLUGIN_CTL "cr_plugin_ctl"
#define CRIU_LIST_HEAD_BYTES (2 * sizeof(void *))

/* Functions of CRIU that a plugin finds with dlsym(RTLD_DEFAULT, …). */
typedef int criu_add_external_fn(char *key); /* copies key */
typedef int criu_get_image_dir_fn(void);     /* returns CRIU's own descriptor */
/*
 * external_lookup_by_key: returns what follows KEY: in an --external, or NULL when only KEY was
 * given. The string belongs to CRIU. When there is no such key, it returns a negative errno cast to
 * a pointer.
 */
typedef char *criu_lookup_fn(char *key);
#define CRIU_ERRNO_MAX 4095
/*
 * criu_plugin_get_options: gives the options that CRIU was given for its plugins, in their order, as
 * an argument vector that belongs to CRIU: a name that means nothing, then `--PLUGIN.NAME=VALUE` or
 * `--PLUGIN.NAME` for each, then NULL. argc counts without the NULL, so it is 1 when there is no
 * option. Returns 0 or a negative errno. CRIU's branch criu-dev has it since September 2026 (its pull
 * request 3138), and no CRIU of Debian's has it.
 */
typedef int criu_get_options_fn(int *argc, char ***argv);
typedef void criu_print_on_level_fn(unsigned int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif

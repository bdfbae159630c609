// SPDX-License-Identifier: MIT
/*
 * Finds out which CRIU has loaded the gate.
 *
 * The gate is not linked against CRIU. When a CRIU version lacks a symbol, the gate must become
 * inert. If it were linked, dlopen() would fail, and every dump with it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "criu/criu.h"

#define HOOKS_MAX 64 /* a larger table is not the one we know */

struct criu criu;

__attribute__((format(printf, 1, 2))) static void stay_inert(const char *fmt, ...)
{
	va_list args;

	if (criu.why_inert[0])
		return; /* the first reason is enough */
	va_start(args, fmt);
	vsnprintf(criu.why_inert, sizeof(criu.why_inert), fmt, args);
	va_end(args);
}

static void *find(const char *name)
{
	void *address = dlsym(RTLD_DEFAULT, name);

	if (!address)
		stay_inert("this CRIU has no symbol %s", name);
	return address;
}

static void count_hooks(void)
{
	void *ctl = find(CRIU_PLUGIN_CTL);
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;
	size_t size, lists;

	if (!ctl)
		return;
	/* dladdr1 returns the symbol that covers the address ctl, which may be another symbol */
	if (!dladdr1(ctl, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol || info.dli_saddr != ctl ||
	    strcmp(info.dli_sname, CRIU_PLUGIN_CTL)) {
		stay_inert("the size of " CRIU_PLUGIN_CTL " is not known");
		return;
	}
	size = symbol->st_size;
	lists = size / CRIU_LIST_HEAD_BYTES;
	if (size % CRIU_LIST_HEAD_BYTES || lists < 2 || lists > 1 + HOOKS_MAX) {
		stay_inert(CRIU_PLUGIN_CTL " has an unknown layout (%zu bytes)", size);
		return;
	}
	criu.hooks = lists - 1;
	if (criu.hooks <= CRIU_HOOK_CHECKPOINT_DEVICES)
		stay_inert(
			"this CRIU has %u plugin hooks and not the one called when all processes are frozen (it came with CRIU 4.0)",
			criu.hooks);
}

static void ask_kernel(void)
{
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);

	if (pidfd >= 0)
		close(pidfd);
	else if (errno == ENOSYS || errno == EPERM)
		stay_inert("pidfd_open(2) is not available (Linux 5.3 has it)");
}

void find_criu(void)
{
	memset(&criu, 0, sizeof(criu));
	criu.print_on_level = (criu_print_on_level_fn *)find("print_on_level");
	criu.add_external = (criu_add_external_fn *)find("add_external");
	criu.get_image_dir = (criu_get_image_dir_fn *)find("criu_get_image_dir");
	criu.lookup = (criu_lookup_fn *)dlsym(RTLD_DEFAULT, "external_lookup_by_key");
	criu.get_options = (criu_get_options_fn *)dlsym(RTLD_DEFAULT, "criu_plugin_get_options");
	criu.root_item = dlsym(RTLD_DEFAULT, "root_item");
	count_hooks();
	ask_kernel();
}

/* Read memory that may not exist. If our guess is wrong, this returns false, and CRIU does not crash. */
static bool peek(const void *at, void *to, size_t length)
{
	struct iovec there = { (void *)at, length }, here = { to, length };

	return at && process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)length;
}

int criu_root_pid(void)
{
	struct criu_pstree_item item;
	struct criu_pid pid;
	void *root;

	if (!peek(criu.root_item, &root, sizeof(root)) || !peek(root, &item, sizeof(item)) ||
	    !peek(item.pid, &pid, sizeof(pid)))
		return 0;
	/* pid.item points back to the item only if CRIU has the layout that we know */
	return pid.item == root && pid.real > 0 ? pid.real : 0;
}

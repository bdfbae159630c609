/* SPDX-License-Identifier: MIT */
/* The CRIU that has loaded us, and whether we can work with it. */
#ifndef GATE_CRIU_H
#define GATE_CRIU_H

#include "criu-plugin-abi.h"

struct criu {
	criu_add_external_fn *add_external;
	criu_get_image_dir_fn *get_image_dir;
	criu_print_on_level_fn *print_on_level;
	criu_lookup_fn *lookup;		  /* may be NULL: the gate can do without it */
	criu_get_options_fn *get_options; /* may be NULL: this CRIU has no plugin options */
	void *const *root_item;		  /* the root of the tree that is dumped; may be NULL */
	unsigned int hooks;		  /* how many plugin hooks this CRIU has; 0: unknown */
	char why_inert[160];		  /* empty when we can work with this CRIU */
};

extern struct criu criu;

/*
 * The pid of the root of the tree, or 0 when this CRIU keeps it in another way. CRIU will probably
 * freeze this process, but that is certain only when it has done so. So nothing may depend on the pid.
 */
int criu_root_pid(void);

/* Fill in criu. It is called from a constructor, has no side effects and never fails. */
void find_criu(void);

#endif

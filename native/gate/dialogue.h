/* SPDX-License-Identifier: MIT */
/* PROTOCOL.md, from the gate's side. */
#ifndef GATE_DIALOGUE_H
#define GATE_DIALOGUE_H

#include "helper/helper.h"

enum answer {
	ANSWER_DONE,
	ANSWER_REFUSED, /* it will not, or CRIU did not take a key */
	ANSWER_NONE,	/* it is dead, silent or mad; now killed */
};

/* Wait for `ready 3`. What goes wrong is logged, here and below. */
enum answer await_ready(struct helper *helper);

/* Send a request that does not bring keys, wait for its answer. */
enum answer ask(struct helper *helper, const char *request);

/* The same for one that does: each is given to CRIU. */
enum answer ask_for_keys(struct helper *helper, const char *request);

#endif

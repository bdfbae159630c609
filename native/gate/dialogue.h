/* SPDX-License-Identifier: MIT */
/* The gate's side of PROTOCOL.md. */
#ifndef GATE_DIALOGUE_H
#define GATE_DIALOGUE_H

#include "helper/helper.h"

enum answer {
	ANSWER_DONE,
	ANSWER_REFUSED, /* the helper refused, or CRIU did not take a key */
	ANSWER_NONE,	/* the helper died, was silent or broke the protocol, and is killed now */
};

/* Wait for `ready 4 BUILD`, with the BUILD of this gate. All functions here log what goes wrong. */
enum answer await_ready(struct helper *helper);

/* Send a request that brings no keys, and wait for its answer. */
enum answer ask(struct helper *helper, const char *request);

/* The same for a request that brings keys: each key is given to CRIU. */
enum answer ask_for_keys(struct helper *helper, const char *request);

#endif

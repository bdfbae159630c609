/* SPDX-License-Identifier: MIT */
#ifndef GATE_OPTIONS_H
#define GATE_OPTIONS_H

#include <stdbool.h>

#include "helper/helper.h"

/* Whether CRIU was given a plugin option for us. If so, the helper is needed to judge it. */
bool has_options(void);

/*
 * Send the helper each plugin option of CRIU that begins with `ghostkeep.`. Returns 0 when the
 * helper accepted all of them, or when there is none to send; -1 when the helper refused one,
 * which is logged.
 */
int send_options(struct helper *helper);

#endif

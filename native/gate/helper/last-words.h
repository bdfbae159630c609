/* SPDX-License-Identifier: MIT */
#ifndef GATE_LAST_WORDS_H
#define GATE_LAST_WORDS_H

#include "helper/helper.h"

/* Put the end of the helper's stderr into CRIU's log. */
void helper_log_last_words(const struct helper *helper);

#endif

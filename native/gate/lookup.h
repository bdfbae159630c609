/* SPDX-License-Identifier: MIT */
/* Answers `lookup KEY`: what CRIU was told about an external mount. */
#ifndef GATE_LOOKUP_H
#define GATE_LOOKUP_H

#include "helper/channel.h"

/* Answer a valid key. Returns 0 or what channel_send() returned. */
int lookup_answer(struct channel *channel, const char *key);

#endif

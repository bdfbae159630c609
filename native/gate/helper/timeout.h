/* SPDX-License-Identifier: MIT */
#ifndef GATE_TIMEOUT_H
#define GATE_TIMEOUT_H

/* How long the helper may say nothing, in milliseconds. */
int answer_timeout_ms(void);

#endif

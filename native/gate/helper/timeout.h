/* SPDX-License-Identifier: MIT */
#ifndef GATE_TIMEOUT_H
#define GATE_TIMEOUT_H

/* How long the helper may be silent, in milliseconds. */
int answer_timeout_ms(void);

#endif

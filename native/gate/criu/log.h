/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOG_H
#define GATE_LOG_H

#include "criu-plugin-abi.h"

/*
 * Write one line, "ghostkeep: …", into CRIU's log. The arguments may contain text from elsewhere,
 * so control characters are replaced and a long line is cut.
 */
void gate_log(enum criu_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

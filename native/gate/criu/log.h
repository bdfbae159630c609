/* SPDX-License-Identifier: MIT */
#ifndef GATE_LOG_H
#define GATE_LOG_H

#include "criu-plugin-abi.h"

/*
 * One line, "ghostkeep: …", in CRIU's log. Text from elsewhere may be among
 * the arguments: control characters are replaced, a long line is cut.
 */
void gate_log(enum criu_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

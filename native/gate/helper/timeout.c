// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "criu/log.h"
#include "helper/timeout.h"

#define VARIABLE "GHOSTKEEP_GATE_TIMEOUT_SECONDS"
#define DEFAULT_SECONDS 30
#define MAX_SECONDS 3600

int answer_timeout_ms(void)
{
	const char *text = secure_getenv(VARIABLE);
	char *end;
	long seconds;

	if (!text || !*text)
		return DEFAULT_SECONDS * 1000;
	errno = 0;
	seconds = strtol(text, &end, 10);
	if (errno || *end || seconds < 1 || seconds > MAX_SECONDS) {
		gate_log(CRIU_LOG_WARN, VARIABLE "=%.40s is not a number from 1 to %d: using %d", text,
			 MAX_SECONDS, DEFAULT_SECONDS);
		seconds = DEFAULT_SECONDS;
	}
	return seconds * 1000;
}

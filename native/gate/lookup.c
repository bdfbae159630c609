// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "criu/criu.h"
#include "criu/key.h"
#include "criu/log.h"
#include "lookup.h"

static const char *why_not_sent(const char *value)
{
	if (strlen(value) + sizeof("value \n") - 1 > CHANNEL_LINE_BYTES)
		return "too long";
	return has_controls(value) ? "not printable" : NULL;
}

int lookup_answer(struct channel *channel, const char *key)
{
	char answer[CHANNEL_LINE_BYTES];
	const char *value, *why_not;

	if (!criu.lookup)
		return channel_send(channel, "none");
	/* CRIU's parameter is a char *, but CRIU only compares the key */
	value = criu.lookup((char *)key);
	if ((uintptr_t)value >= (uintptr_t)-CRIU_ERRNO_MAX)
		return channel_send(channel, "none");
	if (!value || !*value)
		return channel_send(channel, "value");
	why_not = why_not_sent(value);
	if (why_not) {
		gate_log(CRIU_LOG_WARN, "the value of %.300s is %s, and is taken for none: \"%.300s\"", key,
			 why_not, value);
		return channel_send(channel, "none");
	}
	snprintf(answer, sizeof(answer), "value %s", value);
	return channel_send(channel, answer);
}

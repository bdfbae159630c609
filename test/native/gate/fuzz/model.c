// SPDX-License-Identifier: MIT
/*
 * The model implements PROTOCOL.md a second time: it says what the gate must do with a script. It has
 * all bytes from the start and no deadline, so it is simple. It shares no code with the gate.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build-id.h"
#include "dialogue.h"
#include "fuzz.h"

#define MODEL_LINE_BYTES 4096 /* PROTOCOL.md, Messages */

struct reading {
	char bytes[(1 + REQUESTS_MAX) * PART_BYTES_MAX];
	size_t there, taken;
};

enum event {
	A_LINE,
	NOT_YET,
	BROKEN
};

/* When the numbers are written back as CRIU writes them, they must give the same text. */
bool is_file_key(const char *text)
{
	uint64_t inode;
	uint32_t mount;
	char again[64], *end;

	if (strlen(text) >= sizeof(again) || strncmp(text, "file[", 5) || !strchr(text, ':'))
		return false;
	mount = (uint32_t)strtoul(text + 5, NULL, 16);
	inode = strtoull(strchr(text, ':') + 1, &end, 16);
	snprintf(again, sizeof(again), "file[%" PRIx32 ":%" PRIx64 "]", mount, inode);
	return !strcmp(text, again);
}

bool is_mount_key(const char *text)
{
	size_t i, length = strlen(text);

	if (length < 5 || length > 4000 || memcmp(text, "mnt[", 4) || text[length - 1] != ']')
		return false;
	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 127)
			return false;
	return true;
}

static enum event read_line(struct reading *reading, char *line)
{
	const char *start = reading->bytes + reading->taken;
	size_t length = reading->there - reading->taken;
	const char *end = memchr(start, '\n', length);

	if (!end)
		return length >= MODEL_LINE_BYTES ? BROKEN : NOT_YET;
	length = (size_t)(end - start);
	if (length + 1 > MODEL_LINE_BYTES || memchr(start, '\0', length))
		return BROKEN;
	memcpy(line, start, length);
	line[length] = '\0';
	reading->taken += length + 1;
	return A_LINE;
}

static bool is(const char *line, const char *word)
{
	size_t length = strlen(word);

	return !strncmp(line, word, length) && (line[length] == ' ' || line[length] == '\0');
}

static enum event read_words(struct reading *reading, char *line)
{
	enum event event;

	do
		event = read_line(reading, line);
	while (event == A_LINE && (is(line, "progress") || is(line, "note") || is(line, "warn")));
	return event;
}

static enum answer read_ready(struct reading *reading)
{
	char line[MODEL_LINE_BYTES];

	if (read_words(reading, line) != A_LINE)
		return ANSWER_NONE;
	if (is(line, "refuse"))
		return ANSWER_REFUSED;
	return strcmp(line, "ready 4 " BUILD_ID) ? ANSWER_NONE : ANSWER_DONE;
}

static enum answer read_answer(const struct script *script, const struct part *part, struct reading *reading,
			       struct outcome *outcome)
{
	char line[MODEL_LINE_BYTES];
	bool taken = true;

	while (read_words(reading, line) == A_LINE) {
		if (!strcmp(line, "done"))
			return taken ? ANSWER_DONE : ANSWER_REFUSED;
		if (is(line, "refuse"))
			return ANSWER_REFUSED;
		if (!strncmp(line, "lookup ", 7) && is_mount_key(line + 7)) {
			outcome->lookups++;
			continue;
		}
		if (!part->brings_keys || strncmp(line, "external ", 9) || !is_file_key(line + 9))
			return ANSWER_NONE;
		if (!taken)
			continue;
		taken = outcome->keys < script->keys_before_refusal;
		add_key(outcome, line + 9);
	}
	return ANSWER_NONE;
}

static void deliver(struct reading *reading, const struct part *part)
{
	memcpy(reading->bytes + reading->there, part->bytes, part->length);
	reading->there += part->length;
}

void expect_outcome(const struct script *script, struct outcome *outcome)
{
	static struct reading reading;
	char line[MODEL_LINE_BYTES];
	enum answer answer;
	unsigned int i;

	memset(outcome, 0, sizeof(*outcome));
	reading.there = reading.taken = 0;
	deliver(&reading, &script->parts[0]);
	answer = read_ready(&reading);
	outcome->answers[outcome->answered++] = answer;
	if (answer != ANSWER_DONE)
		return;
	for (i = 1; i <= script->requests && answer != ANSWER_NONE; i++) {
		/* what nobody has asked for, before the request */
		if (read_words(&reading, line) != NOT_YET) {
			answer = ANSWER_NONE;
		} else {
			deliver(&reading, &script->parts[i]);
			answer = read_answer(script, &script->parts[i], &reading, outcome);
		}
		outcome->answers[outcome->answered++] = answer;
	}
}

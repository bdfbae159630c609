// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "build-id.h" /* made by the Makefile: BUILD_ID */
#include "criu/criu.h"
#include "criu/key.h"
#include "criu/log.h"
#include "dialogue.h"
#include "helper/last-words.h"
#include "lookup.h"

#define KEYS_MAX (1 << 20) /* lines before the answer to one request: with more, the helper is in a loop */

/*
 * The helper gets this many times the usual time to start, because nothing is frozen or restored yet,
 * and waiting longer harms nobody. Node.js takes most of a second of processor time, which is half a
 * minute in a virtual machine on a host with a load of 20.
 */
#define START_TIMES 4

static enum answer give_up(struct helper *helper, const char *during, int timeout_ms, int ret);
static enum answer protest(struct helper *helper, const char *during, const char *line);

/* Returns the text behind word if line starts with it, else NULL. */
static const char *after(const char *line, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(line, word, length))
		return NULL;
	if (!line[length])
		return line + length;
	return line[length] == ' ' ? line + length + 1 : NULL;
}

/*
 * Log a line that the helper may send at any time (progress, note, warn). It answers nothing, and only
 * proves that the helper is alive. Returns false for any other line.
 */
static bool is_chatter(const char *line)
{
	const char *text;

	if ((text = after(line, "progress")))
		gate_log(CRIU_LOG_DEBUG, "%s", text);
	else if ((text = after(line, "note")))
		gate_log(CRIU_LOG_INFO, "%s", text);
	else if ((text = after(line, "warn")))
		gate_log(CRIU_LOG_WARN, "%s", text);
	return text;
}

static int next_line(struct helper *helper, int timeout_ms, char **line)
{
	int ret;

	do {
		ret = channel_line(&helper->channel, timeout_ms, line);
	} while (!ret && is_chatter(*line));
	return ret;
}

static enum answer refused(const struct helper *helper, const char *during, const char *reason)
{
	gate_log(helper->loss, "%s: %s", during, *reason ? reason : "refused without a reason");
	return ANSWER_REFUSED;
}

enum answer await_ready(struct helper *helper)
{
	static const char during[] = "start";
	int timeout_ms = START_TIMES * helper->timeout_ms;
	const char *reason;
	char *line;
	int ret = next_line(helper, timeout_ms, &line);

	if (ret)
		return give_up(helper, during, timeout_ms, ret);
	reason = after(line, "refuse");
	if (reason)
		return refused(helper, during, reason);
	if (strcmp(line, "ready 4 " BUILD_ID))
		return protest(helper, during, line);
	return ANSWER_DONE;
}

/* CRIU's add_external takes a char *, but it copies the key. */
static bool give_key(char *key)
{
	int ret = criu.add_external(key);

	if (!ret)
		return true;
	gate_log(CRIU_LOG_ERROR, "CRIU did not take %s: add_external returned %d", key, ret);
	return false;
}

/*
 * Before a request is sent, look whether a line is waiting. It would answer no request, and must not be
 * taken for the answer to this one. Returns 0 if there is none, 1 if there is one, or a negative errno.
 */
static int clear_before(struct helper *helper, char **line)
{
	int ret = next_line(helper, 0, line);

	return ret == -ETIMEDOUT ? 0 : ret ? ret : 1;
}

static enum answer converse(struct helper *helper, const char *request, bool brings_keys)
{
	const char *text;
	bool taken = true;
	int keys = 0;
	char *line;
	int ret;

	ret = clear_before(helper, &line);
	if (ret > 0)
		return protest(helper, request, line);
	if (!ret)
		ret = channel_send(&helper->channel, request);
	while (!ret) {
		ret = next_line(helper, helper->timeout_ms, &line);
		if (ret)
			break;
		if (!strcmp(line, "done"))
			return taken ? ANSWER_DONE : ANSWER_REFUSED;
		if ((text = after(line, "refuse")))
			return refused(helper, request, text);
		if (++keys > KEYS_MAX)
			return protest(helper, request, line);
		text = after(line, "lookup");
		if (text && mount_key_is_valid(text)) {
			ret = lookup_answer(&helper->channel, text);
			continue;
		}
		text = brings_keys ? after(line, "external") : NULL;
		if (!text || !key_is_valid(text))
			return protest(helper, request, line);
		/* after CRIU has refused a key, go on reading, to stay in step with the helper */
		if (taken)
			taken = give_key((char *)text);
	}
	return give_up(helper, request, helper->timeout_ms, ret);
}

enum answer ask(struct helper *helper, const char *request)
{
	return converse(helper, request, false);
}

enum answer ask_for_keys(struct helper *helper, const char *request)
{
	return converse(helper, request, true);
}

static const char *what_is_wrong(int ret)
{
	if (ret == -EMSGSIZE)
		return "it sent a line that is too long";
	if (ret == -EBADMSG)
		return "it sent a line with a NUL in it";
	return strerror(-ret);
}

static enum answer give_up(struct helper *helper, const char *during, int timeout_ms, int ret)
{
	if (ret == -EPIPE)
		gate_log(helper->loss, "%s: the helper (pid %d) died before it answered", during,
			 helper->pid);
	else if (ret == -ETIMEDOUT)
		gate_log(
			helper->loss,
			"%s: the helper (pid %d) sent no line for %d s: killing it; if no server or disk hangs, GHOSTKEEP_GATE_TIMEOUT_SECONDS gives it longer",
			during, helper->pid, timeout_ms / 1000);
	else
		gate_log(helper->loss, "%s: cannot talk with the helper (pid %d): %s", during, helper->pid,
			 what_is_wrong(ret));
	helper->silent = ret == -ETIMEDOUT;
	helper_log_last_words(helper);
	helper_kill(helper);
	return ANSWER_NONE;
}

static enum answer protest(struct helper *helper, const char *during, const char *line)
{
	gate_log(
		helper->loss,
		"%s: the helper (pid %d) said what it must not: \"%.200s\": helper and plugin are not of one version?",
		during, helper->pid, line);
	helper_log_last_words(helper);
	helper_kill(helper);
	return ANSWER_NONE;
}

// SPDX-License-Identifier: MIT
/*
 * gate-fuzz [--seed N] [--executions N]: each execution has a seed of its own, and the first has
 * N. So --seed and --executions 1 repeat an execution that failed.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "criu/key.h"
#include "dialogue.h"
#include "fuzz.h"

#define EXECUTIONS 40000
#define INPUT_SHOWN 6000 /* bytes of a part */

#ifdef __SANITIZE_ADDRESS__
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

static struct script script;
static uint64_t seed;
static int error_fd;

static void show_input(void)
{
	unsigned int i;
	size_t at;

	printf("seed %lu; to do it again: --seed %lu --executions 1\n", seed, seed);
	for (i = 0; i <= script.requests; i++) {
		printf("part %u%s, %zu bytes: ", i, script.parts[i].brings_keys ? ", brings keys" : "",
		       script.parts[i].length);
		for (at = 0; at < script.parts[i].length && at < INPUT_SHOWN; at++) {
			unsigned char byte = (unsigned char)script.parts[i].bytes[at];

			printf(byte < ' ' || byte > '~' || byte == '\\' ? "\\x%02x" : "%c", byte);
		}
		printf("%s\n", at < script.parts[i].length ? " (and more)" : "");
	}
	fflush(stdout);
}

void fail(const char *fmt, ...)
{
	va_list args;

	printf("FAIL gate-fuzz: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	show_input();
	_exit(1);
}

static void on_crash(int number)
{
	fail("signal %d", number);
}

/* The helper's stderr is hostile as well. */
static void write_last_words(void)
{
	char text[6000];
	size_t i, length = pick(sizeof(text));

	for (i = 0; i < length; i++)
		text[i] = (char)(pick(3) ? 'w' : pick(4) ? (int)pick(256) : '\n');
	if (ftruncate(error_fd, 0) || pwrite(error_fd, text, length, 0) != (ssize_t)length)
		fail("cannot write the helper's stderr");
}

/* Takes a line from the middle of the script as a key, in memory that ends with the key. */
static void try_key(void)
{
	const struct part *part = &script.parts[pick(script.requests + 1)];
	size_t at = part->length ? pick(part->length) : 0;
	const char *start = memmem(part->bytes + at, part->length - at, pick(2) ? "file[" : "mnt[", 4);
	size_t length = start ? strcspn(start, "\n") : 0;
	char *key;

	if (!start || start + length >= part->bytes + part->length)
		return;
	key = strndup(start, length);
	if (!key)
		fail("not enough memory");
	if (key_is_valid(key) != is_file_key(key) || mount_key_is_valid(key) != is_mount_key(key))
		fail("\"%s\" is a key to one of the gate and PROTOCOL.md", key);
	free(key);
}

static void talk(struct helper *helper, struct outcome *outcome)
{
	enum answer answer = await_ready(helper);
	char request[32];
	unsigned int i;

	outcome->answers[outcome->answered++] = answer;
	if (answer != ANSWER_DONE)
		return;
	for (i = 1; i <= script.requests && answer != ANSWER_NONE; i++) {
		snprintf(request, sizeof(request), "checkpoint %u", i);
		wire_request(request);
		answer = script.parts[i].brings_keys ? ask_for_keys(helper, request) : ask(helper, request);
		outcome->answers[outcome->answered++] = answer;
	}
	wire_request(NULL);
	if (helper->running != (answer != ANSWER_NONE))
		fail("the helper %s", helper->running ? "was not killed" : "was killed");
}

static void execute(void)
{
	/* on the heap, so that the sanitizer sees what lies beside the buffer */
	struct helper *helper = calloc(1, sizeof(*helper));
	struct outcome wanted, seen = { 0 };
	unsigned int i;

	if (!helper)
		fail("not enough memory");
	random_start(seed);
	make_script(&script);
	expect_outcome(&script, &wanted);
	if (!pick(16))
		write_last_words();
	try_key();
	*helper = (struct helper){
		.running = true,
		.pid = 1,
		.pidfd = -1,
		.error_fd = error_fd,
		.timeout_ms = 1000,
		.loss = CRIU_LOG_ERROR,
		.channel.fd = -1,
	};
	wire_start(&script, &seen);
	talk(helper, &seen);
	/* CRIU may be one that cannot be asked: then no lookup is seen */
	if (!seen.lookups)
		wanted.lookups = 0;
	for (i = 0; i < wanted.answered; i++)
		if (i >= seen.answered || seen.answers[i] != wanted.answers[i])
			fail("answer %u is %d, wanted %d", i, seen.answers[i], wanted.answers[i]);
	if (seen.answered != wanted.answered || seen.keys != wanted.keys ||
	    seen.keys_hash != wanted.keys_hash || seen.lookups != wanted.lookups)
		fail("%u answers, %u keys, %u lookups, wanted %u, %u, %u", seen.answered, seen.keys,
		     seen.lookups, wanted.answered, wanted.keys, wanted.lookups);
	free(helper);
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
	int i;

	for (i = 1; i + 1 < argc; i += 2)
		if (!strcmp(argv[i], name))
			return strtoull(argv[i + 1], NULL, 0);
	return otherwise;
}

int main(int argc, char **argv)
{
	const char *given = getenv("GHOSTKEEP_SEED");
	uint64_t first =
		option(argc, argv, "--seed", given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL));
	uint64_t executions = option(argc, argv, "--executions", EXECUTIONS), i;

	error_fd = memfd_create("last-words", MFD_CLOEXEC);
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_set_death_callback(show_input);
#else
	signal(SIGSEGV, on_crash);
	signal(SIGBUS, on_crash);
#endif
	signal(SIGABRT, on_crash);
	for (i = 0; i < executions; i++) {
		seed = first + i;
		execute();
	}
	printf("ok   gate-fuzz: %lu executions from seed %lu on\n", executions, first);
	return 0;
}

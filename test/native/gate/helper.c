// SPDX-License-Identifier: MIT
/*
 * A fake helper. The file `mode` in the image directory tells what it does: a list of words, the
 * first for its start and then one for each request; the last word is repeated. It writes files:
 * its arguments and environment (`seen`), the lines that it got (`heard`) and its pid (`pid`).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "build-id.h"

#define SOCKET 3
#define IMAGES 4

static FILE *requests;

static FILE *create(const char *name)
{
	int fd = openat(IMAGES, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	return fd < 0 ? NULL : fdopen(fd, "a");
}

static bool is_fake_criu(const char *pid)
{
	char path[64], exe[512];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%.10s/exe", pid);
	length = readlink(path, exe, sizeof(exe) - 1);
	if (length < 0)
		return false;
	exe[length] = '\0';
	return strstr(exe, "/host-");
}

static void note_what_is_seen(int argc, char **argv, char **envp)
{
	char path[64], link[256], cwd[256];
	FILE *seen, *pid;
	sigset_t mask, pending;
	int i, signals = 0;
	ssize_t length;
	char links[64][256] = { "" };

	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		length = readlink(path, link, sizeof(link) - 1);
		if (length > 0)
			memcpy(links[i], link, length);
	}
	pid = create("pid");
	fprintf(pid, "%d\n", getpid());
	fclose(pid);

	seen = create("seen");
	for (i = 0; i < argc; i++)
		fprintf(seen, "argv %s\n", i == 3 && is_fake_criu(argv[i]) ? "CRIU" : argv[i]);
	for (i = 0; i < 64; i++)
		if (links[i][0])
			fprintf(seen, "fd %d %s\n", i,
				i == SOCKET ? "socket" :
				i == IMAGES ? "images" :
					      links[i]);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigpending(&pending);
	for (i = 1; i < 65; i++) {
		struct sigaction action = { 0 };

		if (i == 32 || i == 33)
			continue; /* glibc keeps these from us */
		sigaction(i, NULL, &action);
		signals += sigismember(&mask, i) || sigismember(&pending, i) || action.sa_handler != SIG_DFL;
	}
	fprintf(seen, "odd signals %d\n", signals);
	fprintf(seen, "session leader %s\n", getsid(0) == getpid() ? "yes" : "no");
	fprintf(seen, "cwd %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
	fprintf(seen, "environment %s\n", *envp ? *envp : "empty");
	fclose(seen);
}

static void say(const char *text)
{
	if (write(SOCKET, text, strlen(text)) < 0)
		exit(0);
}

static void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static void fill(char byte, int count)
{
	while (count--)
		say((char[]){ byte, '\0' });
}

/* Writes the answer to a lookup, cut to a length, into `heard`. */
static void note_answer(void)
{
	static char answer[8192];
	FILE *heard = create("heard");

	if (!fgets(answer, sizeof(answer), requests))
		exit(0);
	answer[strcspn(answer, "\n")] = '\0';
	if (strlen(answer) > 50)
		fprintf(heard, "%.8s… %zu bytes\n", answer, strlen(answer));
	else
		fprintf(heard, "%s\n", answer);
	fclose(heard);
}

/* KEY+KEY+…, one after the other */
static void look_up(const char *keys)
{
	char text[256];
	char *key, *next;

	snprintf(text, sizeof(text), "%s", keys);
	for (key = strtok_r(text, "+", &next); key; key = strtok_r(NULL, "+", &next)) {
		say("lookup ");
		say(key);
		say("\n");
		note_answer();
	}
}

static void behave(const char *word)
{
	int i;

	if (!strcmp(word, "ready")) {
		say("ready 4 " BUILD_ID "\n");
	} else if (!strcmp(word, "ready-late")) {
		sleep_ms(1500);
		say("ready 4 " BUILD_ID "\n");
	} else if (!strcmp(word, "ready-older-protocol")) {
		say("ready 3 " BUILD_ID "\n");
	} else if (!strcmp(word, "ready-longer")) {
		say("ready 4 " BUILD_ID "0\n");
	} else if (!strcmp(word, "ready-without-a-build")) {
		say("ready 4\n");
	} else if (!strcmp(word, "ready-another-build")) {
		say("ready 4 an0ther\n");
	} else if (!strncmp(word, "lookup:", 7)) {
		look_up(word + 7);
		say("done\n");
	} else if (!strncmp(word, "lookup-long:", 12)) {
		say("lookup mnt[");
		fill('k', atoi(word + 12) - 5);
		say("]\n");
		note_answer();
		say("done\n");
	} else if (!strcmp(word, "lookup-tab")) {
		look_up("mnt[a\tb]");
		say("done\n");
	} else if (!strcmp(word, "lookup-flood")) {
		for (i = 0; i < 20000; i++)
			say("lookup mnt[path]\n");
		say("done\n");
	} else if (!strcmp(word, "done-die")) {
		say("done\n");
		raise(SIGKILL);
	} else if (!strcmp(word, "done")) {
		say("done\n");
	} else if (!strcmp(word, "key")) {
		say("external file[3a:1f00000000000001]\ndone\n");
	} else if (!strcmp(word, "keys")) {
		say("external file[0:1]\nexternal file[ffffffff:ffffffffffffffff]\ndone\n");
	} else if (!strcmp(word, "chatter")) {
		say("note a note\nwarn a \033[31mwarning\177 \302\233x\nprogress 12 %s%n\ndone\n");
	} else if (!strcmp(word, "refuse")) {
		say("refuse cannot dump ghost 8:1/4711: no space left\n");
	} else if (!strcmp(word, "refuse-bare")) {
		say("refuse\n");
	} else if (!strcmp(word, "die")) {
		fprintf(stderr, "Error: everything is broken\n    at line 1\n\nNode.js v20\n");
		exit(1);
	} else if (!strcmp(word, "die-long")) {
		for (i = 0; i < 3000; i++)
			fprintf(stderr, "line %d of many\n", i);
		exit(1);
	} else if (!strcmp(word, "die-midline")) {
		fprintf(stderr, "half way");
		say("external file[3a:1]\nexter");
		raise(SIGKILL);
	} else if (!strcmp(word, "hang")) {
		fprintf(stderr, "I am lost\n");
		sleep_ms(60000);
	} else if (!strcmp(word, "hang-drip")) {
		for (i = 0; i < 50; i++) {
			say("n");
			sleep_ms(100);
		}
		exit(0);
	} else if (!strcmp(word, "linger")) {
		say("done\n");
		sleep_ms(60000);
	} else if (!strcmp(word, "garbage")) {
		say("\001\002hello\n");
	} else if (!strcmp(word, "nul")) {
		if (write(SOCKET, "done\0x\n", 7) < 0)
			exit(0);
	} else if (!strcmp(word, "longest")) {
		say("note ");
		fill('x', 4096 - 6);
		say("\ndone\n");
	} else if (!strcmp(word, "utf8-long")) {
		say("note x");
		for (i = 0; i < 1000; i++)
			say("\303\244");
		say("\ndone\n");
	} else if (!strcmp(word, "too-long")) {
		say("note ");
		fill('x', 4096 - 5);
		say("\ndone\n");
	} else if (!strncmp(word, "raw-key:", 8)) {
		say("external ");
		say(word + 8);
		say("\ndone\n");
	} else if (!strcmp(word, "done-twice")) {
		say("done\ndone\n");
	} else if (!strcmp(word, "bytewise")) {
		for (i = 0; i < 5; i++) {
			fill("done\n"[i], 1);
			sleep_ms(50);
		}
	} else if (!strcmp(word, "progress")) {
		for (i = 0; i < 8; i++) {
			say("progress still here\n");
			sleep_ms(300);
		}
		say("done\n");
	} else {
		fprintf(stderr, "unknown mode %s\n", word);
		exit(1);
	}
}

int main(int argc, char **argv, char **envp)
{
	char text[512] = "ready", line[4096 + 1];
	char *word, *next;
	FILE *heard;
	int fd;

	/* a SIGPIPE is not what ends a helper, and nothing here may be buffered */
	setvbuf(stderr, NULL, _IONBF, 0);
	note_what_is_seen(argc, argv, envp);
	fd = openat(IMAGES, "mode", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t length = read(fd, text, sizeof(text) - 1);

		text[length > 0 ? length : 0] = '\0';
		close(fd);
	}
	requests = fdopen(dup(SOCKET), "r");
	heard = create("heard");
	word = strtok_r(text, " \n", &next);
	behave(word);
	while (fgets(line, sizeof(line), requests)) {
		char *more = strtok_r(NULL, " \n", &next);

		fprintf(heard, "%s", line);
		fflush(heard);
		word = more ? more : word;
		behave(word);
	}
	fprintf(heard, "end\n");
	fclose(heard);
	return 0;
}

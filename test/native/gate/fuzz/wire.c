// SPDX-License-Identifier: MIT
/*
 * Takes the place of the kernel, CRIU and the helper's process. Bytes come in pieces of any size,
 * and time passes only while the gate waits in vain, so a dialogue depends on its seed alone.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "criu/criu.h"
#include "dialogue.h"
#include "fuzz.h"

#define CALLS_MAX (1 << 20) /* the gate is in a loop */

struct criu criu;

static const struct script *script;
static struct outcome *seen;
static const char *request;
static unsigned int part; /* of the script, that is sent now */
static size_t sent;	  /* bytes of it */
static int64_t now_ms;
static unsigned int calls;

static int add_external(char *key)
{
	if (!is_file_key(key))
		fail("CRIU was given the key \"%s\"", key);
	add_key(seen, key);
	return seen->keys > script->keys_before_refusal ? -1 : 0;
}

static char *look_up(char *key)
{
	static char value[5000];
	size_t length = pick(3) ? pick(40) : 4080 + pick(20);

	if (!is_mount_key(key))
		fail("CRIU was asked for the key \"%s\"", key);
	seen->lookups++;
	if (!pick(4))
		return pick(2) ? NULL : (char *)-(long)(1 + pick(4095));
	memset(value, 'v', length);
	value[length] = '\0';
	if (length && !pick(4))
		value[pick(length)] = (char)pick(256);
	return value;
}

/* A line of CRIU's log has less than 1 KiB, and no character that a terminal acts on. */
__attribute__((format(printf, 2, 3))) static void print_on_level(unsigned int level, const char *fmt, ...)
{
	unsigned char line[2048];
	va_list args;
	int length, i;

	va_start(args, fmt);
	length = vsnprintf((char *)line, sizeof(line), fmt, args);
	va_end(args);
	if (level > CRIU_LOG_DEBUG || length < 1 || length > 920 || line[length - 1] != '\n')
		fail("a line of %d bytes at level %u in the log", length, level);
	for (i = 0; i < length - 1; i++)
		if (line[i] < 0x20 || line[i] == 0x7f ||
		    (line[i] == 0xc2 && line[i + 1] >= 0x80 && line[i + 1] < 0xa0))
			fail("byte %d of a line in the log is %#x", i, line[i]);
}

void wire_start(const struct script *new_script, struct outcome *outcome)
{
	script = new_script;
	seen = outcome;
	part = 0;
	sent = 0;
	calls = 0;
	criu.add_external = add_external;
	criu.print_on_level = print_on_level;
	criu.lookup = pick(8) ? look_up : NULL;
}

void wire_request(const char *text)
{
	request = text;
}

void add_key(struct outcome *outcome, const char *key)
{
	outcome->keys++;
	for (; *key; key++)
		outcome->keys_hash = (outcome->keys_hash ^ (unsigned char)*key) * 0x100000001b3u;
}

static size_t left(void)
{
	return script->parts[part].length - sent;
}

static bool is_through(void)
{
	return !left() && part == script->requests && script->hangs_up;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (count != 1 || timeout_ms < 0 || ++calls > CALLS_MAX)
		fail("poll of %lu descriptors for %d ms, call %u", (unsigned long)count, timeout_ms, calls);
	fds[0].revents = POLLIN;
	if (left() || is_through())
		return 1;
	if (timeout_ms && !pick(4)) {
		errno = EINTR;
		now_ms += 1;
		return -1;
	}
	now_ms += timeout_ms;
	return 0;
}

ssize_t __wrap_recv(int fd, void *to, size_t room, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t room, int flags)
{
	size_t length = left() < room ? left() : room;

	if (!room || flags != MSG_DONTWAIT || ++calls > CALLS_MAX)
		fail("recv from %d of %zu bytes, call %u", fd, room, calls);
	if (!length && is_through())
		return pick(3) ? 0 : (errno = ECONNRESET, -1);
	if (!length || !pick(30)) {
		errno = pick(2) ? EINTR : EAGAIN;
		return -1;
	}
	if (!pick(3))
		length = 1 + pick(length);
	memcpy(to, script->parts[part].bytes + sent, length);
	sent += length;
	return (ssize_t)length;
}

/* The gate sends a request, or the answer to a lookup; either must be one line. */
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
	const unsigned char *line = bytes;
	size_t i;

	if (length < 1 || length > 4096 || line[length - 1] != '\n' || !(flags & MSG_DONTWAIT))
		fail("%zu bytes were sent to %d", length, fd);
	for (i = 0; i < length - 1; i++)
		if (line[i] < 0x20 || line[i] == 0x7f)
			fail("byte %zu of a line that was sent is %#x", i, line[i]);
	if (request) {
		if (length != strlen(request) + 1 || memcmp(line, request, length - 1))
			fail("the request \"%s\" was not what was sent", request);
		if (left())
			fail("a request was sent before all was read");
		request = NULL;
		part++;
		sent = 0;
	} else if (strncmp(bytes, "value ", 6) && strncmp(bytes, "value\n", 6) &&
		   strncmp(bytes, "none\n", 5)) {
		fail("the answer to a lookup is \"%.*s\"", (int)length, (const char *)bytes);
	}
	return (ssize_t)length;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	now->tv_sec = now_ms / 1000;
	now->tv_nsec = now_ms % 1000 * 1000000;
	return 0;
}

/* When the gate gives up a dialogue, it must call this, and may not ask the helper any more. */
void helper_kill(struct helper *helper)
{
	if (!helper->running)
		fail("the helper was killed twice");
	helper->running = false;
}

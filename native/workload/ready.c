// SPDX-License-Identifier: MIT
/* Writes and reads DIR/ready: one line of JSON for each holder. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "ready.h"
#include "workload.h"

/* JavaScript's numbers are exact only to 2^53, so a larger number is written as a string. */
static void print_ino(FILE *to, uint64_t ino)
{
	const char *quote = ino > (1ULL << 53) ? "\"" : "";

	fprintf(to, ",\"ino\":%s%" PRIu64 "%s", quote, ino, quote);
}

static void print_time(FILE *to, const char *name, const struct timespec *time)
{
	fprintf(to, ",\"%sSec\":%lld,\"%sNsec\":%ld", name, (long long)time->tv_sec, name, time->tv_nsec);
}

static void print_holder(FILE *to, const struct holder *h)
{
	fprintf(to, "{\"kind\":\"%s\",\"role\":\"%s\",\"pid\":%d,\"fd\":%d", h->kind, h->role, h->pid, h->fd);
	fprintf(to, ",\"size\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"flags\":%d", h->size, h->offset,
		h->flags);
	print_ino(to, h->ino);
	fprintf(to, ",\"mode\":%u,\"uid\":%u,\"gid\":%u", h->mode, h->uid, h->gid);
	print_time(to, "atime", &h->atime);
	print_time(to, "mtime", &h->mtime);
	fprintf(to, ",\"holeBytes\":%" PRIu64 ",\"mapped\":%s", h->hole_bytes, h->address ? "true" : "false");
	if (h->address)
		fprintf(to, ",\"address\":\"%" PRIx64 "\",\"length\":%" PRIu64, h->address, h->length);
	if (h->digest)
		fprintf(to, ",\"digest\":\"%016" PRIx64 "\"", h->digest);
	fprintf(to, "}\n");
}

int write_ready(const struct workload *w)
{
	FILE *ready = open_report(w->dir, "ready");
	unsigned int i;

	if (!ready)
		return -errno;
	for (i = 0; i < w->nr_holders; i++)
		print_holder(ready, &w->holders[i]);
	return finish_report(ready, w->dir, "ready");
}

/* Returns the text behind "key": in one of our lines, or NULL. */
static const char *value_of(const char *line, const char *key)
{
	char quoted[40];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(line, quoted);
	if (!at)
		return NULL;
	at += strlen(quoted);
	return *at == '"' ? at + 1 : at;
}

static uint64_t number_of(const char *line, const char *key, int base)
{
	const char *value = value_of(line, key);

	return value ? strtoull(value, NULL, base) : 0;
}

static void text_of(const char *line, const char *key, char *to, size_t size)
{
	const char *value = value_of(line, key);
	size_t length = value ? strcspn(value, "\"") : 0;

	if (length >= size)
		length = size - 1;
	if (length)
		memcpy(to, value, length);
	to[length] = 0;
}

static void parse_holder(const char *line, struct holder *h)
{
	text_of(line, "kind", h->kind, sizeof(h->kind));
	text_of(line, "role", h->role, sizeof(h->role));
	h->pid = (pid_t)number_of(line, "pid", 10);
	h->fd = (int)number_of(line, "fd", 10);
	h->size = number_of(line, "size", 10);
	h->offset = number_of(line, "offset", 10);
	h->flags = (int)number_of(line, "flags", 10);
	h->ino = number_of(line, "ino", 10);
	h->mode = (uint32_t)number_of(line, "mode", 10);
	h->uid = (uint32_t)number_of(line, "uid", 10);
	h->gid = (uint32_t)number_of(line, "gid", 10);
	h->atime.tv_sec = (time_t)number_of(line, "atimeSec", 10);
	h->atime.tv_nsec = (long)number_of(line, "atimeNsec", 10);
	h->mtime.tv_sec = (time_t)number_of(line, "mtimeSec", 10);
	h->mtime.tv_nsec = (long)number_of(line, "mtimeNsec", 10);
	h->hole_bytes = number_of(line, "holeBytes", 10);
	h->digest = number_of(line, "digest", 16);
}

int read_ready(struct workload *w)
{
	char path[PATH_MAX], line[1024];
	FILE *ready;

	snprintf(path, sizeof(path), "%s/ready", w->dir);
	ready = fopen(path, "re");
	if (!ready) {
		fprintf(stderr, "ghost-workload: cannot open %s: %s\n", path, strerror(errno));
		return -errno;
	}
	while (w->nr_holders < MAX_HOLDERS && fgets(line, sizeof(line), ready))
		parse_holder(line, &w->holders[w->nr_holders++]);
	fclose(ready);
	return 0;
}

const struct holder *find_holder(const struct workload *w, const char *kind, const char *role)
{
	unsigned int i;

	for (i = 0; i < w->nr_holders; i++) {
		const struct holder *h = &w->holders[i];

		if (!strcmp(h->kind, kind) && (!role || !strcmp(h->role, role)))
			return h;
	}
	return NULL;
}

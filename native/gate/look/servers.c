// SPDX-License-Identifier: MIT
/*
 * Paths are compared as text. So there is doubt if a mount with a server lies at a path with an unusual
 * character, or if a layer of an overlay has such a path or no absolute one.
 */
#include <ctype.h>
#include <string.h>

#include "look/servers.h"

#define SERVERS_MAX 64
#define POINT_BYTES 256

static struct {
	int count;
	bool are_unclear; /* there are too many mounts with a server, or one has an unusual path */
	char points[SERVERS_MAX][POINT_BYTES];
} servers;

void servers_clear(void)
{
	servers.count = 0;
	servers.are_unclear = false;
}

static bool is_plain(const char *path)
{
	for (const char *at = path; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("/._-+@", *at))
			return false;
	return *path == '/' && path[1];
}

void servers_add(const char *point)
{
	for (int i = 0; i < servers.count; i++)
		if (!strcmp(servers.points[i], point))
			return;
	if (servers.count == SERVERS_MAX || strlen(point) >= POINT_BYTES || !is_plain(point))
		servers.are_unclear = true;
	else
		strcpy(servers.points[servers.count++], point);
}

bool servers_are_there(void)
{
	return servers.count > 0 || servers.are_unclear;
}

/* Whether every layer of a colon-separated list begins with a slash. A comma ends the list. */
static bool is_absolute(const char *list)
{
	bool begins = true;

	for (; *list && *list != ','; list++) {
		if (begins && *list != '/' && *list != ':')
			return false;
		begins = *list == ':';
	}
	return true;
}

/* Whether the options of an overlay name its layers, and name all of them by absolute paths. */
static bool are_absolute(const char *options)
{
	static const char *const lists[] = { "lowerdir=", "lowerdir+=", "datadir+=", "upperdir=" };
	bool are_named = false;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		for (const char *at = options; (at = strstr(at, lists[i]));) {
			at += strlen(lists[i]);
			are_named = true;
			if (!is_absolute(at))
				return false;
		}
	return are_named;
}

bool servers_may_have(const char *options)
{
	if (servers.are_unclear || strchr(options, '\\') || !are_absolute(options))
		return true;
	for (int i = 0; i < servers.count; i++)
		if (strstr(options, servers.points[i]))
			return true;
	return false;
}

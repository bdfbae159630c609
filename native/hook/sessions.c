// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mention.h"
#include "sessions.h"

#define SUFFIX ".json"

/*
 * Open the folder of sessions in /tmp, if it is ours. Anyone can make a folder there before us, and a
 * path in it may hang. We obey no record in a folder of another user, so such a folder counts as
 * missing. This function checks only the owner; src/flows/container/sessions.ts checks more.
 */
static DIR *open_in_tmp(unsigned int uid)
{
	char path[64];
	struct stat own;

	snprintf(path, sizeof(path), "/tmp/ghostkeep-%u", uid);
	if (lstat(path, &own))
		return NULL;
	if (!S_ISDIR(own.st_mode) || own.st_uid != uid) {
		errno = ENOENT;
		return NULL;
	}
	snprintf(path, sizeof(path), "/tmp/ghostkeep-%u/sessions", uid);
	return opendir(path);
}

/* Open the folder that src/flows/container/sessions.ts uses. Both choose it by the real uid. */
static DIR *open_sessions(void)
{
	char path[sizeof(RUN_FOLDER) + 64];
	unsigned int uid = getuid();

	if (uid == 0)
		return opendir(RUN_FOLDER "/ghostkeep/sessions");
	snprintf(path, sizeof(path), RUN_FOLDER "/user/%u", uid);
	if (access(path, F_OK))
		return open_in_tmp(uid);
	snprintf(path, sizeof(path), RUN_FOLDER "/user/%u/ghostkeep/sessions", uid);
	return opendir(path);
}

static bool is_of(const char *name, const struct state *state)
{
	size_t length = strlen(name);

	if (length <= strlen(SUFFIX))
		return false;
	length -= strlen(SUFFIX);
	return !strcmp(name + length, SUFFIX) && has_string(state, name, length);
}

bool may_have_session(const struct state *state)
{
	DIR *sessions = open_sessions();
	struct dirent *entry;
	bool found = false;

	if (!sessions)
		return errno != ENOENT;
	errno = 0;
	while (!found && (entry = readdir(sessions)))
		found = is_of(entry->d_name, state);
	found = found || errno;
	closedir(sessions);
	return found;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "look/lines.h"
#include "look/open-dir.h"
#include "look/place.h"

#define CONFIG "/etc/ghostkeep/config.json"
#define SESSIONS "/run/ghostkeep/sessions"
#define CONFIG_BYTES 64
#define ENTRIES_MAX 4096

/* Whether a policy is {}, which install.sh writes and which changes nothing. */
static bool is_empty(const char *text, size_t length)
{
	char rest[CONFIG_BYTES];
	size_t kept = 0;

	for (size_t i = 0; i < length; i++)
		if (!text[i] || !strchr(" \t\r\n", text[i]))
			rest[kept++] = text[i];
	return kept == 2 && !memcmp(rest, "{}", 2);
}

static int look_at_config(struct look_result *result)
{
	int fd = open(CONFIG, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[CONFIG_BYTES];
	ssize_t got = -EINVAL;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0) {
		if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size < CONFIG_BYTES)
			got = read_again(fd, text, sizeof(text));
		close(fd);
	}
	if (got < 0 || !is_empty(text, (size_t)got))
		return doubt(result, "the host has a policy in " CONFIG);
	return 0;
}

typedef bool is_sign(const char *name);

static bool is_session(const char *name)
{
	return name[0] != '.';
}

/*
 * Whether a file in the image directory gives the helper work: a file of ours, a ghost of an earlier
 * checkpoint, or a file whose presence makes the helper leave everything to CRIU.
 */
static bool is_of_concern(const char *name)
{
	return !strncmp(name, "ghost", strlen("ghost")) || !strcmp(name, "remap-fpath.img") ||
	       !strcmp(name, "streamer-capture.sock") || !strcmp(name, "cipher.img");
}

static int look_into(struct look_result *result, int at, const char *folder, is_sign *is_sign,
		     const char *why)
{
	DIR *dir = open_dir(at, folder, O_NOFOLLOW);
	struct dirent *entry;
	int entries = 0, ret = 0;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return doubt(result, "cannot list %s: %s", folder, strerror(errno));
	while (!ret && (errno = 0, entry = readdir(dir))) {
		if (is_sign(entry->d_name))
			ret = doubt(result, "%s (%.100s)", why, entry->d_name);
		else if (++entries > ENTRIES_MAX)
			ret = doubt(result, "%s has too many entries", folder);
	}
	if (!ret && errno)
		ret = doubt(result, "cannot list %s: %s", folder, strerror(errno));
	closedir(dir);
	return ret;
}

int look_at_place(struct look_result *result, int image_dir)
{
	if (geteuid())
		return doubt(result, "CRIU does not run as root");
	if (look_at_config(result) ||
	    look_into(result, AT_FDCWD, SESSIONS, is_session, "a container has a session record") ||
	    look_into(result, image_dir, ".", is_of_concern, "the image directory is not new"))
		return DOUBT;
	return 0;
}

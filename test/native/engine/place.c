// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "place.h"

#define LOOP_BYTES (800LL << 20)

struct place places[PLACES] = {
	[TMPFS] = { .name = "tmpfs" },
	[CWD] = { .name = "cwd" },
	[XFS] = { .name = "xfs" },
	[BTRFS] = { .name = "btrfs" },
};

static void prepare_folder(struct place *place, const char *parent)
{
	snprintf(place->folder, sizeof(place->folder), "%s/gk-test-XXXXXX", parent);
	place->usable = mkdtemp(place->folder) != NULL;
	if (!place->usable)
		snprintf(place->why_not, sizeof(place->why_not), "cannot make a folder in %s: %s",
			 parent, strerror(errno));
}

static bool shell(struct place *place, const char *command)
{
	char quiet[400];

	snprintf(quiet, sizeof(quiet), "%s >/dev/null 2>&1", command);
	if (system(quiet) == 0)
		return true;
	snprintf(place->why_not, sizeof(place->why_not), "failed: %.140s", command);
	return false;
}

static void prepare_loop(struct place *place)
{
	char image[80], command[300];
	int fd;

	prepare_folder(place, ".");
	if (!place->usable)
		return;
	place->usable = false;
	if (geteuid() != 0) {
		snprintf(place->why_not, sizeof(place->why_not), "mounting needs root");
		return;
	}
	snprintf(image, sizeof(image), "%s.image", place->folder);
	fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, LOOP_BYTES) == 0) {
		snprintf(command, sizeof(command), "mkfs.%s -q %s", place->name, image);
		if (shell(place, command)) {
			snprintf(command, sizeof(command), "mount -o loop %s %s", image,
				 place->folder);
			place->mounted = place->usable = shell(place, command);
		}
	}
	close(fd);
	unlink(image);		/* the loop device keeps it */
}

void prepare_places(void)
{
	prepare_folder(&places[TMPFS], "/dev/shm");
	prepare_folder(&places[CWD], ".");
	prepare_loop(&places[XFS]);
	prepare_loop(&places[BTRFS]);
}

void leave_places(void)
{
	int i;

	for (i = 0; i < PLACES; i++) {
		if (places[i].mounted && umount2(places[i].folder, MNT_DETACH) < 0)
			fprintf(stderr, "cannot unmount %s: %s\n", places[i].folder,
				strerror(errno));
		if (places[i].folder[0])
			rmdir(places[i].folder);
	}
}

int ghost_in(const struct place *place)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/ghost-XXXXXX", place->folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		printf("Bail out! no file in %s: %s\n", place->folder, strerror(errno));
		exit(1);
	}
	unlink(path);
	return fd;
}

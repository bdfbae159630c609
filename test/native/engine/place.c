// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#endif

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
	memcpy(place->images, place->folder, sizeof(place->images));
	if (!place->usable)
		snprintf(place->why_not, sizeof(place->why_not), "cannot make a folder in %s: %s", parent,
			 strerror(errno));
}

static bool tells_holes(const struct place *place)
{
	int fd = scratch_in(place);
	bool tells = ftruncate(fd, 1 << 20) == 0 && lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO;

	close(fd);
	return tells;
}

static bool answers_fiemap(const struct place *place)
{
	struct fiemap first_byte = { .fm_length = 1 };
	int fd = scratch_in(place);
	bool answers = ioctl(fd, FS_IOC_FIEMAP, &first_byte) == 0;

	close(fd);
	return answers;
}

static bool shell(struct place *place, const char *command)
{
	char quiet[700];

	snprintf(quiet, sizeof(quiet), "%s >/dev/null 2>&1", command);
	if (system(quiet) == 0)
		return true;
	snprintf(place->why_not, sizeof(place->why_not), "failed: %.140s", command);
	return false;
}

static void prepare_loop(struct place *place)
{
	char image[256], command[600];
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
			snprintf(command, sizeof(command), "mount -o loop %s %s", image, place->folder);
			place->mounted = place->usable = shell(place, command);
		}
	}
	close(fd);
	unlink(image); /* the loop device keeps it */
}

void prepare_places(void)
{
	int i;

	prepare_folder(&places[TMPFS], "/dev/shm");
	prepare_folder(&places[CWD], ".");
	prepare_loop(&places[XFS]);
	prepare_loop(&places[BTRFS]);
	for (i = 0; i < PLACES; i++) {
		places[i].knows_holes = places[i].usable && tells_holes(&places[i]);
		places[i].has_map = places[i].usable && answers_fiemap(&places[i]);
	}
}

void leave_places(void)
{
	int i;

	for (i = 0; i < PLACES; i++) {
		if (places[i].mounted && umount2(places[i].folder, MNT_DETACH) < 0)
			fprintf(stderr, "cannot unmount %s: %s\n", places[i].folder, strerror(errno));
		if (places[i].folder[0])
			rmdir(places[i].folder);
	}
}

void prepare_directory(struct place *place, const char *name, const char *folder, const char *images,
		       const char *lower, bool copy_up)
{
	memset(place, 0, sizeof(*place));
	place->name = name;
	snprintf(place->folder, sizeof(place->folder), "%s", folder);
	snprintf(place->images, sizeof(place->images), "%s", images ? images : folder);
	snprintf(place->lower, sizeof(place->lower), "%s", lower ? lower : "");
	place->copy_up = copy_up;
	place->usable = true;
	place->knows_holes = tells_holes(place);
	place->has_map = answers_fiemap(place);
}

static int make_file(const char *folder, char *path, size_t room)
{
	int fd;

	snprintf(path, room, "%s/ghost-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		printf("Bail out! no file in %s: %s\n", folder, strerror(errno));
		exit(1);
	}
	return fd;
}

/*
 * Opens the file as the other side of the overlay shows it (by the same name), and removes its name there.
 */
static int open_through(const struct place *place, const char *below, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s", place->folder, strrchr(below, '/'));
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0 || unlink(path) < 0) {
		printf("Bail out! %s is not seen: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

int ghost_in(const struct place *place)
{
	struct stat folder;
	char path[256];
	int fd, upper;

	if (!place->lower[0])
		return scratch_in(place);
	fd = make_file(place->lower, path, sizeof(path));
	/*
	 * A server that squashes root lets only the folder's owner in, so root comes as that
	 * user.
	 */
	if (stat(place->folder, &folder) < 0 || fchown(fd, folder.st_uid, folder.st_gid) < 0) {
		printf("Bail out! no owner for %s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (!place->copy_up)
		return fd;
	if (write(fd, "below", 5) != 5)
		printf("Bail out! no byte in %s\n", path);
	upper = open_through(place, path, O_RDWR);
	if (ftruncate(upper, 0) < 0)
		printf("Bail out! cannot truncate %s\n", path);
	close(fd);
	unlink(path);
	return upper;
}

int seen(const struct place *place, int fd)
{
	char link[40], path[256];
	ssize_t length;
	int through;

	if (!place->lower[0] || place->copy_up)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = 0;
	through = open_through(place, path, O_RDONLY);
	unlink(path);
	return through;
}

static int nameless(const char *folder)
{
	char path[256];
	int fd = make_file(folder, path, sizeof(path));

	unlink(path);
	return fd;
}

int scratch_in(const struct place *place)
{
	return nameless(place->folder);
}

int image_in(const struct place *place)
{
	return nameless(place->images);
}

/*
 * Where vm.memfd_noexec is 2, the call works only with the flag; before Linux 6.3, only without
 * it.
 */
int image_to_seal(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	return fd < 0 ? memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

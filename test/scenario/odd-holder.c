// SPDX-License-Identifier: MIT
/*
 * odd-holder HOW FILE: holds a file without a name that has FILE's content, in a way that no
 * shell can, and prints `ready`.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int source;
static off_t size;

static int filled(int fd)
{
	char buffer[65536];
	ssize_t length;

	if (fd < 0)
		err(1, "cannot make the file");
	while ((length = read(source, buffer, sizeof(buffer))) > 0)
		if (write(fd, buffer, (size_t)length) != length)
			err(1, "cannot write");
	if (length < 0)
		err(1, "cannot read");
	return fd;
}

static int removed(int dir_fd)
{
	int fd = filled(openat(dir_fd, "ghost", O_RDWR | O_CREAT | O_EXCL, 0600));

	if (unlinkat(dir_fd, "ghost", 0))
		err(1, "cannot remove the file");
	return fd;
}

static void only_map(int fd)
{
	if (mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		err(1, "cannot map");
	close(fd);
}

/* Opens the file on a file system that was never mounted anywhere. */
static int detached_tmpfs(void)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", 0U);

	if (fs < 0 || syscall(SYS_fsconfig, fs, 6U /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0))
		err(1, "cannot make a tmpfs");
	return (int)syscall(SYS_fsmount, fs, 0U, 0U);
}

/* Opens the file through a copy of a mount; the copy is mounted nowhere. */
static int detached_copy(void)
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, ".", 1U /* OPEN_TREE_CLONE */);
}

static void leave(int error, const char *what)
{
	if (error)
		err(1, "cannot %s", what);
}

int main(int count, char **words)
{
	struct stat about;
	const char *how;

	if (count != 3)
		errx(2, "HOW and FILE are wanted");
	how = words[1];
	source = open(words[2], O_RDONLY | O_CLOEXEC);
	if (source < 0 || fstat(source, &about))
		err(1, "%s", words[2]);
	size = about.st_size;
	if (!strcmp(how, "memfd"))
		leave(fcntl(filled(memfd_create("queue", MFD_ALLOW_SEALING)), F_ADD_SEALS,
			    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL),
		      "seal");
	else if (!strcmp(how, "mapped-memfd"))
		only_map(filled(memfd_create("queue", 0)));
	else if (!strcmp(how, "detached-tmpfs"))
		removed(detached_tmpfs());
	else if (!strcmp(how, "detached-copy"))
		removed(detached_copy());
	else if (!strcmp(how, "mapped-before-unshare")) {
		only_map(removed(AT_FDCWD));
		leave(unshare(CLONE_NEWNS), "unshare");
	} else if (!strcmp(how, "chroot")) {
		removed(AT_FDCWD);
		leave(mkdir("jail", 0700) || chroot("jail") || chdir("/"), "chroot");
	} else
		errx(2, "%s is no way to hold a file", how);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

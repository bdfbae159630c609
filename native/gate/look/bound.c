// SPDX-License-Identifier: MIT
/*
 * Finds the file that a unix socket is bound to by asking the kernel. The name that was given to bind(2)
 * is not enough: it may be relative to a working directory, or lead over a symbolic link.
 * src/host/proc/inside.ts asks in the same way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/un.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "look/bound.h"

/*
 * Get a copy of a descriptor of a process. CRIU itself gets copies of all sockets of the process a little
 * later, so this adds nothing that a dump does not do.
 */
static int share_descriptor(int pid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), ours;

	if (pidfd < 0)
		return -errno;
	ours = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	ours = ours < 0 ? -errno : ours;
	close(pidfd);
	return ours;
}

static int open_bound(int sock)
{
	int domain, file;
	socklen_t length = sizeof(domain);

	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &length))
		return -errno;
	if (domain != AF_UNIX) /* the ioctl below means something else for other sockets */
		return -ENOENT;
	file = ioctl(sock, SIOCUNIXFILE);
	return file < 0 ? -errno : file;
}

static int describe(int opened, struct bound_file *file)
{
	struct statx st;
	ssize_t length;
	char link[32];

	if (statx(opened, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_NLINK, &st))
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", opened);
	length = readlink(link, file->path, sizeof(file->path));
	if (length < 0)
		return -errno;
	if (length == sizeof(file->path))
		return -ENAMETOOLONG;
	file->path[length] = '\0';
	file->links = st.stx_nlink;
	return 1;
}

int bound_file(int pid, int fd, struct bound_file *file)
{
	int sock = share_descriptor(pid, fd), opened, ret;

	if (sock < 0)
		return sock;
	opened = open_bound(sock);
	close(sock);
	if (opened < 0)
		return opened == -ENOENT ? 0 : opened;
	ret = describe(opened, file);
	close(opened);
	return ret;
}

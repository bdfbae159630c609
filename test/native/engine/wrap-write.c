// SPDX-License-Identifier: MIT
/* Stand-ins for the calls that change a file. */
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wrap.h"

ssize_t __real_pwritev64(int fd, const struct iovec *pieces, int count, off_t offset);
int __real_ftruncate64(int fd, off_t size);
int __real_fallocate64(int fd, int how, off_t offset, off_t length);
ssize_t __wrap_pwritev64(int fd, const struct iovec *pieces, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *pieces, int count, off_t offset);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_fallocate64(int fd, int how, off_t offset, off_t length);
int __wrap_fallocate(int fd, int how, off_t offset, off_t length);

ssize_t __wrap_pwritev64(int fd, const struct iovec *pieces, int count, off_t offset)
{
	uint64_t until = (uint64_t)offset;

	for (int i = 0; i < count; i++)
		until += pieces[i].iov_len;
	if (stand_in.before_write)
		stand_in.before_write(fd, until);
	return __real_pwritev64(fd, pieces, count, offset);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	return __wrap_pwritev64(fd, pieces, count, offset);
}

int __wrap_ftruncate64(int fd, off_t size)
{
	if (stand_in.before_write)
		stand_in.before_write(fd, (uint64_t)size);
	return __real_ftruncate64(fd, size);
}

int __wrap_ftruncate(int fd, off_t size)
{
	return __wrap_ftruncate64(fd, size);
}

int __wrap_fallocate64(int fd, int how, off_t offset, off_t length)
{
	if (stand_in.before_write)
		stand_in.before_write(fd, (uint64_t)offset + (uint64_t)length);
	return __real_fallocate64(fd, how, offset, length);
}

int __wrap_fallocate(int fd, int how, off_t offset, off_t length)
{
	return __wrap_fallocate64(fd, how, offset, length);
}

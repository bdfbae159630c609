// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <string.h>

#include "wrap.h"

struct stand_ins stand_in;
struct calls calls;

int __real_ioctl(int fd, unsigned long request, void *argument);
off_t __real_lseek64(int fd, off_t offset, int whence);
ssize_t __real_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length,
			       unsigned int flags);
ssize_t __real_pread64(int fd, void *to, size_t length, off_t offset);
int __real_open64(const char *path, int how, mode_t mode);
int __wrap_open64(const char *path, int how, ...);
int __wrap_open(const char *path, int how, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_pread64(int fd, void *to, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t length, off_t offset);
off_t __wrap_lseek64(int fd, off_t offset, int whence);
off_t __wrap_lseek(int fd, off_t offset, int whence);
ssize_t __wrap_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length,
			       unsigned int flags);

void stand_in_nowhere(void)
{
	memset(&stand_in, 0, sizeof(stand_in));
	memset(&calls, 0, sizeof(calls));
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	int answer = STAND_ASIDE;
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == FS_IOC_FIEMAP) {
		calls.fiemap++;
		if (stand_in.fiemap)
			answer = stand_in.fiemap(fd, argument);
	} else if (request == FICLONERANGE) {
		calls.reflink++;
		if (stand_in.reflink)
			answer = stand_in.reflink();
	}
	return answer == STAND_ASIDE ? __real_ioctl(fd, request, argument) : answer;
}

off_t __wrap_lseek64(int fd, off_t offset, int whence)
{
	off_t answer = STAND_ASIDE;

	calls.lseek++;
	if (stand_in.lseek)
		answer = stand_in.lseek(fd, offset, whence);
	return answer == STAND_ASIDE ? __real_lseek64(fd, offset, whence) : answer;
}

off_t __wrap_lseek(int fd, off_t offset, int whence)
{
	return __wrap_lseek64(fd, offset, whence);
}

ssize_t __wrap_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length,
			       unsigned int flags)
{
	ssize_t answer = STAND_ASIDE;

	calls.copy_file_range++;
	if (stand_in.copy_file_range)
		answer = stand_in.copy_file_range(from, to, length);
	return answer == STAND_ASIDE ?
		       __real_copy_file_range(from, from_offset, to, to_offset, length, flags) :
		       answer;
}

ssize_t __wrap_pread64(int fd, void *to, size_t length, off_t offset)
{
	ssize_t answer = STAND_ASIDE;

	if (stand_in.before_read)
		stand_in.before_read(fd);
	if (stand_in.pread)
		answer = stand_in.pread(fd);
	return answer == STAND_ASIDE ? __real_pread64(fd, to, length, offset) : answer;
}

ssize_t __wrap_pread(int fd, void *to, size_t length, off_t offset)
{
	return __wrap_pread64(fd, to, length, offset);
}

static int open_as_told(const char *path, int how, mode_t mode)
{
	if (stand_in.before_open)
		stand_in.before_open();
	return __real_open64(path, how, mode);
}

int __wrap_open64(const char *path, int how, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, how);
	mode = how & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return open_as_told(path, how, mode);
}

int __wrap_open(const char *path, int how, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, how);
	mode = how & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return open_as_told(path, how, mode);
}

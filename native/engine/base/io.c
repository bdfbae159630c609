// SPDX-License-Identifier: MIT
#include <errno.h>
#include <unistd.h>

#include "base/io.h"

int64_t read_full(int fd, void *to, uint64_t length, uint64_t offset)
{
	uint64_t done = 0;

	while (done < length) {
		ssize_t got = pread(fd, (char *)to + done, length - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += (uint64_t)got;
	}
	return (int64_t)done;
}

int writev_full(int fd, struct iovec *pieces, int count, uint64_t offset)
{
	while (count > 0) {
		ssize_t put;

		if (pieces->iov_len == 0) {
			pieces++;
			count--;
			continue;
		}
		put = pwritev(fd, pieces, count, (off_t)offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (put == 0) /* POSIX allows it; trying again could spin forever */
			return -EIO;
		offset += (uint64_t)put;
		for (; count > 0 && (size_t)put >= pieces->iov_len; count--)
			put -= (ssize_t)pieces++->iov_len;
		if (count > 0) {
			pieces->iov_base = (char *)pieces->iov_base + put;
			pieces->iov_len -= (size_t)put;
		}
	}
	return 0;
}

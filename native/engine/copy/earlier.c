// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <string.h>

#include "base/io.h"
#include "copy/earlier.h"

static bool is_there(int fd, const struct iovec *pieces, int count, uint64_t offset, struct earlier *earlier)
{
	const unsigned char *there = earlier->room;
	uint64_t bytes = 0;
	int i;

	for (i = 0; i < count; i++)
		bytes += pieces[i].iov_len;
	/* If the old bytes cannot be read, the new ones are written. */
	if (bytes > EARLIER_BYTES || read_full(fd, earlier->room, bytes, offset) != (int64_t)bytes)
		return false;
	for (i = 0; i < count; there += pieces[i++].iov_len)
		if (memcmp(there, pieces[i].iov_base, pieces[i].iov_len))
			return false;
	earlier->kept += bytes;
	return true;
}

int writev_changed(int fd, struct iovec *pieces, int count, uint64_t offset, struct earlier *earlier)
{
	if (earlier->room && is_there(fd, pieces, count, offset, earlier))
		return 0;
	return writev_full(fd, pieces, count, offset);
}

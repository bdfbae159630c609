// SPDX-License-Identifier: MIT
/* Reads and writes that are repeated until they are complete, and whole files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "io.h"
#include "workload.h"

int write_all(int fd, const void *bytes, size_t length, uint64_t offset)
{
	const uint8_t *from = bytes;
	ssize_t part;

	while (length) {
		part = pwrite(fd, from, length, (off_t)offset);
		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return part ? -errno : -EIO;
		from += part;
		offset += (uint64_t)part;
		length -= (size_t)part;
	}
	return 0;
}

/* Returns -ENODATA when the file ends too early. */
int read_all(int fd, void *bytes, size_t length, uint64_t offset)
{
	uint8_t *to = bytes;
	ssize_t part;

	while (length) {
		part = pread(fd, to, length, (off_t)offset);
		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return part ? -errno : -ENODATA;
		to += part;
		offset += (uint64_t)part;
		length -= (size_t)part;
	}
	return 0;
}

/*
 * Count the bytes of the holes below size that SEEK_HOLE shows. This moves the offset of the descriptor,
 * and puts it back. Returns 0 on a file system without SEEK_HOLE.
 */
uint64_t seek_hole_bytes(int fd, uint64_t size)
{
	off_t before = lseek(fd, 0, SEEK_CUR);
	uint64_t holes = 0;
	off_t at = 0;

	while ((uint64_t)at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);

		if (data < 0) {
			if (errno == ENXIO)
				holes += size - (uint64_t)at;
			break;
		}
		holes += (uint64_t)(data - at);
		at = lseek(fd, data, SEEK_HOLE);
		if (at < 0)
			break;
	}
	lseek(fd, before, SEEK_SET);
	return holes;
}

FILE *open_report(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.tmp", dir, name);
	return fopen(path, "we");
}

int finish_report(FILE *report, const char *dir, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	int failed = ferror(report);

	if (fclose(report) || failed)
		return -EIO;
	snprintf(from, sizeof(from), "%s/%s.tmp", dir, name);
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	return rename(from, to) ? -errno : 0;
}

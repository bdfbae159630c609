// SPDX-License-Identifier: MIT
/* Keeps a ghost at the receiver: its content, and a table of what is known of it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/report.h"
#include "move/table.h"

#define FRAME_BLOCKS (GK_FRAME_PAYLOAD_MAX / BLOCK_SIZE + 1)

static int is_misplaced(uint64_t offset, struct gk_report *report)
{
	return offset % BLOCK_SIZE ? fail(report, -EINVAL, offset, "a block does not begin at offset %llu",
					  (unsigned long long)offset) :
				     0;
}

GK_PUBLIC int gk_store_resize(int data_fd, int table_fd, uint64_t size, struct gk_report *report)
{
	uint64_t blocks = blocks_of(size);
	struct stat data, table;
	int error = 0;

	memset(report, 0, sizeof(*report));
	if (size > INT64_MAX)
		return fail(report, -EFBIG, 0, "cannot make a ghost of %llu bytes", (unsigned long long)size);
	if (fstat(data_fd, &data) < 0 || fstat(table_fd, &table) < 0)
		return fail(report, -errno, 0, "cannot look at a ghost");
	/* The table is changed before the content, so that it never describes bytes that are gone. */
	if (size < (uint64_t)data.st_size) {
		if (size % BLOCK_SIZE)
			error = table_set_unknown(table_fd, blocks - 1, 1);
		if (!error && (uint64_t)table.st_size > blocks * ENTRY_BYTES &&
		    ftruncate(table_fd, (off_t)(blocks * ENTRY_BYTES)) < 0)
			error = -errno;
	}
	if (!error && size != (uint64_t)data.st_size && ftruncate(data_fd, (off_t)size) < 0)
		error = -errno;
	return error ? fail(report, error, size, "cannot make a ghost of %llu bytes",
			    (unsigned long long)size) :
		       0;
}

GK_PUBLIC int gk_store_data(int data_fd, int table_fd, uint64_t offset, const void *bytes, uint32_t length,
			    void *entries, uint32_t *fresh, struct gk_report *report)
{
	unsigned char before[FRAME_BLOCKS * ENTRY_BYTES];
	struct iovec piece = { (void *)(uintptr_t)bytes, length };
	uint64_t first = offset / BLOCK_SIZE, count = blocks_of(length);
	int error;

	memset(report, 0, sizeof(*report));
	*fresh = 0;
	error = is_misplaced(offset, report);
	if (error)
		return error;
	if (length > GK_FRAME_PAYLOAD_MAX)
		return fail(report, -EINVAL, offset, "cannot write %u bytes at once", length);
	error = table_get(table_fd, first, count, before);
	if (!error)
		error = table_set_unknown(table_fd, first, count);
	if (error)
		return fail(report, error, offset, "cannot write the table of a ghost");
	for (uint64_t i = 0; i < count; i++)
		*fresh += entry_is_zero(before + i * ENTRY_BYTES);
	error = writev_full(data_fd, &piece, 1, offset);
	if (error)
		return fail(report, error, offset, "cannot write a ghost at offset %llu",
			    (unsigned long long)offset);
	block_entries(bytes, length, entries);
	/*
	 * Writing to the disk begins now, so that the fsync that comes later has less to wait for. Errors
	 * are ignored here: that fsync reports them.
	 */
	(void)sync_file_range(data_fd, (off_t)offset, length, SYNC_FILE_RANGE_WRITE);
	return 0;
}

/* Write zeroes over the data of a range. This is for file systems that cannot punch holes. */
static int overwrite(int fd, uint64_t at, uint64_t end)
{
	static const unsigned char zeroes[LARGE_BYTES];

	while (at < end) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		struct iovec piece = { (void *)(uintptr_t)zeroes, sizeof(zeroes) };
		int error;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0 && errno != EINVAL)
			return -errno;
		if (data >= 0)
			at = (uint64_t)data;
		if (at >= end)
			return 0;
		if (end - at < piece.iov_len)
			piece.iov_len = end - at;
		error = writev_full(fd, &piece, 1, at);
		if (error)
			return error;
		at += sizeof(zeroes);
	}
	return 0;
}

static int clear_range(int fd, uint64_t offset, uint64_t length)
{
	struct stat about;
	uint64_t end = offset + length;

	if (fstat(fd, &about) < 0)
		return -errno;
	if (end > (uint64_t)about.st_size)
		end = (uint64_t)about.st_size;
	if (offset >= end)
		return 0;
	while (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			 (off_t)(end - offset)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM)
			return -errno;
		return overwrite(fd, offset, end);
	}
	return 0;
}

GK_PUBLIC int gk_store_zero(int data_fd, int table_fd, uint64_t offset, uint64_t length, uint64_t *freed,
			    struct gk_report *report)
{
	uint64_t first = offset / BLOCK_SIZE, count = blocks_of(length), again;
	int error;

	memset(report, 0, sizeof(*report));
	*freed = 0;
	error = is_misplaced(offset, report);
	if (error)
		return error;
	error = table_clear(table_fd, first, count, true, freed);
	if (!error)
		error = clear_range(data_fd, offset, length);
	if (!error)
		error = table_clear(table_fd, first, count, false, &again);
	return error ? fail(report, error, offset, "cannot make a ghost zero at offset %llu",
			    (unsigned long long)offset) :
		       0;
}

GK_PUBLIC int gk_store_sync(int fd, uint32_t whole, struct gk_report *report)
{
	memset(report, 0, sizeof(*report));
	while ((whole ? syncfs(fd) : fsync(fd)) < 0) {
		if (errno == EINTR)
			continue;
		return fail(report, -errno, 0, "the disk has not taken what was written");
	}
	return 0;
}

GK_PUBLIC int gk_table_make(int data_fd, int table_fd, struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	unsigned char entries[WINDOW_BYTES / BLOCK_SIZE * ENTRY_BYTES];
	struct stat about;

	memset(report, 0, sizeof(*report));
	if (!window)
		return fail(report, -ENOMEM, 0, "cannot make the table of a ghost");
	if (fstat(data_fd, &about) < 0)
		return fail(report, -errno, 0, "cannot look at a ghost");
	report->size = (uint64_t)about.st_size;
	for (uint64_t at = 0; at < report->size;) {
		off_t data = lseek(data_fd, (off_t)at, SEEK_DATA);
		int64_t got;
		int error;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0 && errno != EINVAL)
			return fail(report, -errno, at, "cannot read a ghost");
		if (data >= 0)
			at = (uint64_t)data - (uint64_t)data % BLOCK_SIZE;
		if (cancelled(progress))
			return fail(report, -ECANCELED, at, "stopped");
		got = read_full(data_fd, window, WINDOW_BYTES, at);
		if (got < 0)
			return fail(report, (int)got, at, "cannot read a ghost at offset %llu",
				    (unsigned long long)at);
		if (got == 0)
			return 0;
		block_entries(window, (uint64_t)got, entries);
		error = table_put(table_fd, at / BLOCK_SIZE, blocks_of((uint64_t)got), entries);
		if (error)
			return fail(report, error, at, "cannot write the table of a ghost");
		at += (uint64_t)got;
		progress_add(progress, (uint64_t)got);
	}
	return 0;
}

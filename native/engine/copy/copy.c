// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/page-cache.h"
#include "base/progress.h"
#include "copy/copy-windows.h"
#include "copy/copy.h"
#include "magics.h"

static void choose_ways(struct copier *copier);
static bool is_fastest_by_hand(const struct copier *copier, uint64_t from, uint64_t length);
static void reflink(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);
static void copy_in_kernel(struct copier *copier, uint64_t from, uint64_t to, uint64_t length);

void copier_init(struct copier *copier, int from, int to, unsigned char *window, struct gk_progress *progress)
{
	*copier = (struct copier){ .from = from, .to = to, .window = window, .progress = progress };
}

uint64_t block_size(int fd)
{
	struct stat about;

	if (fstat(fd, &about) < 0)
		return 4096;
	return block_bytes(&about);
}

uint64_t block_bytes(const struct stat *about)
{
	/* st_blksize is only advice and can be megabytes, for example on NFS. */
	uint64_t bytes = (uint64_t)about->st_blksize;

	if (bytes < 4096 || (bytes & (bytes - 1)))
		return 4096;
	return bytes > 65536 ? 65536 : bytes;
}

static void arrived(struct copier *copier, uint32_t way, uint64_t bytes)
{
	copier->used |= way;
	copier->done += bytes;
	progress_add(copier->progress, bytes);
}

int copy_bytes(struct copier *copier, uint64_t from, uint64_t to, uint64_t length)
{
	copier->done = 0;
	copier->writing = false;
	if (cancelled(copier->progress))
		return -ECANCELED;
	if (!copier->ways)
		choose_ways(copier);
	if (!is_fastest_by_hand(copier, from, length)) {
		if (copier->ways & GK_COPY_REFLINK)
			reflink(copier, from, to, length);
		if (copier->ways & GK_COPY_RANGE)
			copy_in_kernel(copier, from, to, length);
	}
	if (copier->done == length)
		return 0;
	return copy_windows(copier, from + copier->done, to + copier->done, length - copier->done);
}

/*
 * Choose the ways that are worth trying on the source's file system. This is done at the first call
 * of copy_bytes(), because a dump that has only small ranges never calls it.
 *
 * ext4 and xfs take large writes in large folios, so read and write is twice as fast there as the
 * kernel's own copy, which goes page by page. Before xfs shares blocks, it writes dirty pages to the
 * disk and waits for it; read and write is done sooner. On btrfs, which computes checksums, reflink
 * is still the faster way. On tmpfs the kernel's copy is faster than read and write by one
 * processor, and slower than read and write by two. (docs/decisions/0008)
 */
static void choose_ways(struct copier *copier)
{
	uint64_t from_block = block_size(copier->from), to_block = block_size(copier->to);
	struct statfs about;

	copier->block = from_block > to_block ? from_block : to_block;
	copier->ways = GK_COPY_REFLINK | GK_COPY_RANGE | GK_COPY_READ_WRITE;
	if (fstatfs(copier->from, &about) < 0)
		return;
	switch ((uint32_t)about.f_type) {
	case MAGIC_EXT4:
		copier->ways = GK_COPY_READ_WRITE;
		break;
	case MAGIC_XFS:
		copier->ways = GK_COPY_REFLINK | GK_COPY_READ_WRITE;
		copier->dirty_by_hand = true;
		break;
	case MAGIC_TMPFS:
		copier->shared_by_hand = true;
		break;
	}
}

static bool is_fastest_by_hand(const struct copier *copier, uint64_t from, uint64_t length)
{
	return has_earlier(copier) || (copier->dirty_by_hand && is_dirty(copier->from, from, length)) ||
	       (copier->shared_by_hand && has_help(length));
}

/*
 * Reflink the whole blocks of a range. The bytes behind the last whole block are copied by another
 * way, because the next bytes of the image go into the same block as these.
 */
static void reflink(struct copier *copier, uint64_t from, uint64_t to, uint64_t length)
{
	struct file_clone_range range = {
		.src_fd = copier->from,
		.src_offset = from,
		.src_length = length - length % copier->block,
		.dest_offset = to,
	};

	/* A src_length of 0 would mean "to the end of the file". */
	if (from % copier->block || to % copier->block || range.src_length == 0)
		return;
	while (ioctl(copier->to, FICLONERANGE, &range) < 0) {
		if (errno == EINTR)
			continue;
		copier->ways &= ~(uint32_t)GK_COPY_REFLINK;
		return;
	}
	arrived(copier, GK_COPY_REFLINK, range.src_length);
}

static void copy_in_kernel(struct copier *copier, uint64_t from, uint64_t to, uint64_t length)
{
	while (copier->done < length && !cancelled(copier->progress)) {
		uint64_t left = length - copier->done;
		off_t source = (off_t)(from + copier->done);
		off_t target = (off_t)(to + copier->done);
		ssize_t got = copy_file_range(copier->from, &source, copier->to, &target,
					      left < WINDOW_BYTES ? left : WINDOW_BYTES, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/*
			 * 0 means the end of the file, or a file system that returns 0 instead of
			 * an error.
			 */
			copier->ways &= ~(uint32_t)GK_COPY_RANGE;
			return;
		}
		arrived(copier, GK_COPY_RANGE, (uint64_t)got);
	}
}

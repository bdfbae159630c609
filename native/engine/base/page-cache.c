// SPDX-License-Identifier: MIT
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/page-cache.h"
#include "magics.h"

/* Source: cachestat(2), linux/mman.h. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct pages {
	uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

static bool ask(int fd, uint64_t offset, uint64_t length, struct pages *pages)
{
	struct {
		uint64_t offset, length;
	} range = { offset, length };

	/* A length of 0 would mean "to the end of the file". */
	return length > 0 && syscall(SYS_cachestat, fd, &range, pages, 0) == 0;
}

bool is_dirty(int fd, uint64_t offset, uint64_t length)
{
	uint64_t all = length / (uint64_t)sysconf(_SC_PAGESIZE);
	struct pages pages;

	return ask(fd, offset, length, &pages) && pages.dirty + pages.writeback > all / 2;
}

/*
 * Whether the file system is known to keep a file's pages in that file's own page cache, which is
 * the one that cachestat(2) looks at. Other file systems keep them elsewhere (ZFS), or with the
 * file of the file system below (overlayfs).
 */
static bool has_pages_of_its_own(int fd)
{
	struct statfs about;

	if (fstatfs(fd, &about) < 0)
		return false;
	switch ((uint32_t)about.f_type) {
	case MAGIC_EXT4:
	case MAGIC_XFS:
	case MAGIC_BTRFS:
		return true;
	default:
		return false;
	}
}

bool is_in_memory(int fd, uint64_t offset, uint64_t length)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct pages pages;

	if (!ask(fd, offset, length, &pages))
		return true;
	return pages.cached >= (offset + length - 1) / page - offset / page + 1 || !has_pages_of_its_own(fd);
}

// SPDX-License-Identifier: MIT
/*
 * The table of docs/filesystems.md: each row is one case, and compares every engine with a plain
 * read. If a file system cannot have the case, the row says so, with the reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"

#define SIZE (1 << 20)
#define MIDDLE (SIZE / 2)

static const struct place *here;

static void put(int fd, uint64_t offset, uint64_t length)
{
	static char bytes[SIZE];
	uint64_t i;

	for (i = 0; i < length; i++)
		bytes[i] = (char)((offset + i) * 2654435761u >> 13 | 1);
	expect(pwrite(fd, bytes, length, (off_t)offset) == (ssize_t)length, "cannot write %lu at %lu: %m",
	       length, offset);
}

static void grow(int fd, uint64_t size)
{
	expect(ftruncate(fd, (off_t)size) == 0, "cannot truncate to %lu: %m", size);
}

static void put_mapped(int fd, uint64_t offset)
{
	char *mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mapped == MAP_FAILED) {
		impossible("no shared mapping: %s", strerror(errno));
		return;
	}
	mapped[offset] = 7;
	munmap(mapped, SIZE);
}

static bool preallocate(int fd, int mode, uint64_t offset, uint64_t length)
{
	if (fallocate(fd, mode, (off_t)offset, (off_t)length) == 0)
		return true;
	impossible("fallocate: %s", strerror(errno));
	return false;
}

static bool share(int fd)
{
	int clone = scratch_in(here);
	bool shared = ioctl(clone, FICLONE, fd) == 0;

	if (!shared)
		impossible("no reflinks: %s", strerror(errno));
	close(clone);
	return shared;
}

/*
 * Checks that data at rest is laid out as the case needs it; otherwise the case would prove
 * nothing.
 */
static void needs_flag(int fd, uint32_t flag, const char *what)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[16];
	} asked = {
		.map = { .fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = 16 }
	};
	uint32_t i;

	if (ioctl(fd, FS_IOC_FIEMAP, &asked) < 0) {
		impossible("no %s: no extent map: %s", what, strerror(errno));
		return;
	}
	for (i = 0; i < asked.map.fm_mapped_extents; i++)
		if (asked.extents[i].fe_flags & flag)
			return;
	impossible("it made no %s", what);
}

static void delayed(int fd)
{
	put(fd, 0, SIZE);
}

static void written_back(int fd)
{
	put(fd, 0, SIZE);
	fsync(fd);
}

static void evicted(int fd)
{
	put(fd, 4096, MIDDLE);
	grow(fd, SIZE);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void never_written(int fd)
{
	if (preallocate(fd, 0, 0, SIZE))
		fsync(fd);
}

static void dirty_in_fallocated(int fd)
{
	if (preallocate(fd, 0, 0, SIZE)) {
		fsync(fd);
		put(fd, 12288, 4096);
		put(fd, MIDDLE + 5, 100000);
	}
}

static void mapped_in_fallocated(int fd)
{
	if (preallocate(fd, 0, 0, SIZE)) {
		fsync(fd);
		put_mapped(fd, MIDDLE + 9);
	}
}

static void keep_size(int fd)
{
	if (preallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * SIZE))
		put(fd, 0, 10001);
}

static void keep_size_grown(int fd)
{
	if (preallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * SIZE)) {
		put(fd, 0, 10001);
		grow(fd, 5000);
		grow(fd, SIZE);
		put_mapped(fd, MIDDLE);
	}
}

static void zeroed_range(int fd)
{
	put(fd, 0, SIZE);
	fsync(fd);
	if (preallocate(fd, FALLOC_FL_ZERO_RANGE, 65536, MIDDLE))
		put(fd, 131072, 4096);
}

static void punched(int fd)
{
	put(fd, 0, SIZE);
	fsync(fd);
	if (preallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, MIDDLE))
		put(fd, 131072, 4096);
}

static void hole_at_head(int fd)
{
	grow(fd, SIZE);
	put(fd, MIDDLE, MIDDLE);
}

static void hole_at_tail(int fd)
{
	put(fd, 0, MIDDLE);
	grow(fd, SIZE);
}

static void hole_everywhere(int fd)
{
	grow(fd, 16 * SIZE);
}

static void odd_size(int fd)
{
	grow(fd, 300001);
	put(fd, 200000, 100001);
}

static void inline_data(int fd)
{
	put(fd, 0, 60);
	fsync(fd);
	needs_flag(fd, FIEMAP_EXTENT_DATA_INLINE, "inline data");
}

static void inline_grown(int fd)
{
	inline_data(fd);
	grow(fd, SIZE);
	put_mapped(fd, MIDDLE);
}

static void compressed(int fd)
{
	static char text[MIDDLE];
	int i;

	for (i = 0; i < MIDDLE; i++)
		text[i] = "ghosts keep, ghosts keep. "[i % 26];
	expect(pwrite(fd, text, MIDDLE, 0) == MIDDLE, "cannot write: %m");
	grow(fd, SIZE);
	fsync(fd);
	needs_flag(fd, FIEMAP_EXTENT_ENCODED, "compressed extent");
}

static void shared_extents(int fd)
{
	put(fd, 0, MIDDLE);
	grow(fd, SIZE);
	fsync(fd);
	share(fd);
}

/* xfs keeps the data in the fork for copy on write, where its map shows a hole. */
static void dirty_beside_shared(int fd)
{
	grow(fd, SIZE);
	put(fd, 64 * 4096, 4096);
	put(fd, 128 * 4096, 4096);
	fsync(fd);
	if (share(fd)) {
		put(fd, 64 * 4096, 4096);
		put(fd, 68 * 4096, 4096);
		put_mapped(fd, 72 * 4096);
		put(fd, 140 * 4096, 8192);
	}
}

static void mapped_dirty(int fd)
{
	put(fd, 0, SIZE);
	fsync(fd);
	put_mapped(fd, MIDDLE);
}

static void mapped_in_hole(int fd)
{
	grow(fd, SIZE);
	put_mapped(fd, MIDDLE);
}

static const struct row {
	const char *name;
	void (*make)(int fd);
} rows[] = {
	{ "delayed allocation", delayed },
	{ "written back", written_back },
	{ "written back, out of memory", evicted },
	{ "fallocated, never written", never_written },
	{ "fallocated, dirty pages inside", dirty_in_fallocated },
	{ "fallocated, dirty mapped page inside", mapped_in_fallocated },
	{ "KEEP_SIZE past the end", keep_size },
	{ "KEEP_SIZE, grown into, mapped page", keep_size_grown },
	{ "zeroed range, dirty pages inside", zeroed_range },
	{ "punched hole, dirty pages inside", punched },
	{ "hole at the head", hole_at_head },
	{ "hole at the tail", hole_at_tail },
	{ "hole everywhere", hole_everywhere },
	{ "size off the block", odd_size },
	{ "inline data", inline_data },
	{ "inline data, grown, mapped page", inline_grown },
	{ "compressed extents", compressed },
	{ "shared extents", shared_extents },
	{ "dirty pages beside shared extents", dirty_beside_shared },
	{ "mapped dirty page over data", mapped_dirty },
	{ "mapped dirty page over a hole", mapped_in_hole },
};

void table_cases(const struct place *place)
{
	uint32_t i;

	here = place;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = ghost_in(place), holder;

		begin(place->name, "%s", rows[i].name);
		rows[i].make(fd);
		holder = seen(place, fd);
		compare_all(place, holder, (uint64_t)lseek(holder, 0, SEEK_END));
		if (holder != fd)
			close(holder);
		close(fd);
	}
	largest_case(place);
	extents_case(place, true);
}

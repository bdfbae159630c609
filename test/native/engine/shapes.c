// SPDX-License-Identifier: MIT
/* Files of every shape that is known to cause errors somewhere. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"

static unsigned char pattern[1 << 20];

static void put(int fd, uint64_t offset, uint64_t length)
{
	while (length) {
		uint64_t now = length < sizeof(pattern) ? length : sizeof(pattern);

		if (pwrite(fd, pattern, now, (off_t)offset) != (ssize_t)now) {
			wrong("cannot write at %lu: %m", offset);
			return;
		}
		offset += now;
		length -= now;
	}
}

static void put_mapped(int fd, uint64_t offset, uint64_t size)
{
	unsigned char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (expect(mapped != MAP_FAILED, "mmap: %m")) {
		mapped[offset] = 7;
		munmap(mapped, size);
	}
}

static bool preallocate(int fd, int mode, uint64_t offset, uint64_t length)
{
	if (fallocate(fd, mode, (off_t)offset, (off_t)length) == 0)
		return true;
	skip("fallocate: %s", strerror(errno));
	return false;
}

static void simple_shapes(const struct place *place)
{
	static const struct {
		const char *name;
		uint64_t size, offset, length;
	} shapes[] = {
		{ "empty", 0, 0, 0 },
		{ "one byte", 1, 0, 1 },
		{ "dense", 3 << 20, 0, 3 << 20 },
		{ "dense, 8 MiB and a bit, wide alignment", (8 << 20) + 11, 0, (8 << 20) + 11 },
		{ "hole at the head", 2 << 20, 1 << 20, 1 << 20 },
		{ "hole at the tail", 2 << 20, 0, 1 << 20 },
		{ "hole everywhere", 16 << 20, 0, 0 },
		{ "size not a multiple of the block", 300001, 200000, 100001 },
		{ "data that begins inside a block", 1 << 20, 70001, 65536 },
		{ "64 KiB minus one", 65535, 0, 65535 },
		{ "64 KiB", 65536, 0, 65536 },
	};
	uint32_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		int fd = ghost_in(place), pass;

		if (ftruncate(fd, (off_t)shapes[i].size) < 0)
			wrong("truncate: %m");
		put(fd, shapes[i].offset, shapes[i].length);
		for (pass = 0; pass < 2; pass++) {
			begin(place->name, "%s, %s", shapes[i].name, pass ? "synced" : "delayed allocation");
			compare_all(place, fd, shapes[i].size);
			fsync(fd);
		}
		close(fd);
	}
}

static void alternating(const struct place *place)
{
	int fd = ghost_in(place);
	uint64_t at;

	begin(place->name, "4K data, 4K hole over 8 MiB");
	for (at = 0; at < 8 << 20; at += 8192)
		put(fd, at, 4096);
	if (ftruncate(fd, 8 << 20) < 0)
		wrong("truncate: %m");
	compare_all(place, fd, 8 << 20);
	begin(place->name, "4K data, 4K hole over 8 MiB, synced");
	fsync(fd);
	compare_all(place, fd, 8 << 20);
	close(fd);
}

/*
 * Where extents are small, the engine auto reads instead of asking lseek. These files lead into
 * such stretches and out of them, and have other shapes inside them.
 */
static void small_among_large(const struct place *place)
{
	const uint64_t size = (16 << 20) + 5;
	int fd = ghost_in(place), pass;
	uint64_t at;

	if (ftruncate(fd, (off_t)size) < 0)
		wrong("truncate: %m");
	for (at = 0; at < 2 << 20; at += 8192) {
		put(fd, at, 4096);
		put(fd, at + (12 << 20), 4096);
	}
	put(fd, 2 << 20, 3 << 20);
	put(fd, 11 << 20, 1);
	put(fd, size - 1, 1);
	put_mapped(fd, (7 << 20) + 77, size);
	for (pass = 0; pass < 2; pass++) {
		begin(place->name, "small extents among large ones and holes%s", pass ? ", synced" : "");
		compare_all(place, fd, size);
		fsync(fd);
	}
	close(fd);
}

static void preallocated(const struct place *place)
{
	const uint64_t size = 4 << 20;
	struct gk_extent extents[8];
	struct gk_report report;
	uint64_t next;
	uint32_t count;
	int fd = ghost_in(place);

	begin(place->name, "fallocated, never written");
	if (preallocate(fd, 0, 0, size)) {
		fsync(fd);
		compare_all(place, fd, size);
		gk_extents(fd, GK_ENGINE_FIEMAP, size, 0, extents, 8, &count, &next, &report);
		expect(report.data_bytes == 0, "%lu bytes of data", report.data_bytes);
		expect(report.engine != GK_ENGINE_FIEMAP || report.unwritten_bytes == size,
		       "%lu bytes unwritten", report.unwritten_bytes);
	}
	begin(place->name, "fallocated, dirty pages inside");
	put(fd, 1 << 20, 4096);
	put(fd, 2 << 20, 100000);
	compare_all(place, fd, size);
	begin(place->name, "fallocated, mapped store inside");
	put_mapped(fd, 3 << 20, size);
	compare_all(place, fd, size);
	close(fd);

	fd = ghost_in(place);
	begin(place->name, "KEEP_SIZE past the end");
	if (preallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size)) {
		put(fd, 0, 10001);
		compare_all(place, fd, 10001);
		begin(place->name, "KEEP_SIZE past the end, then grown over it");
		put(fd, 1 << 20, 4096);
		compare_all(place, fd, (1 << 20) + 4096);
		begin(place->name, "KEEP_SIZE, truncated to a middle, written behind");
		if (ftruncate(fd, 5000) < 0 || ftruncate(fd, (off_t)size) < 0)
			wrong("truncate: %m");
		put_mapped(fd, 2 << 20, size);
		compare_all(place, fd, size);
	}
	close(fd);
}

static void mapped_into_hole(const struct place *place)
{
	int fd = ghost_in(place);

	begin(place->name, "mapped store into a hole");
	if (ftruncate(fd, 4 << 20) < 0)
		wrong("truncate: %m");
	put_mapped(fd, 1 << 20, 4 << 20);
	compare_all(place, fd, 4 << 20);
	close(fd);
}

/*
 * xfs preallocates in the fork for copy on write around a shared block. A write into the hole
 * beside that block stays in the fork, and FIEMAP shows a hole.
 */
static void beside_shared_blocks(const struct place *place)
{
	const uint64_t size = 1 << 20;
	int fd = ghost_in(place), clone = ghost_in(place);

	begin(place->name, "dirty data in a hole beside shared blocks");
	/* The size is set first, because otherwise xfs preallocates and there is no hole. */
	if (ftruncate(fd, (off_t)size) < 0)
		wrong("truncate: %m");
	/*
	 * The first gap is a real hole: that lseek finds it empty must not prove that later gaps
	 * are empty.
	 */
	put(fd, 64 * 4096, 4096);
	put(fd, 128 * 4096, 4096);
	fsync(fd);
	if (ioctl(clone, FICLONE, fd) == 0) {
		put(fd, 64 * 4096, 4096);
		put(fd, 68 * 4096, 4096);
		put_mapped(fd, 72 * 4096, size);
		put(fd, 128 * 4096, 4096);
		put(fd, 140 * 4096, 8192);
	}
	compare_all(place, fd, size);
	close(fd);
	close(clone);
}

void shape_cases(const struct place *place)
{
	uint64_t i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i % 251 + 1);
	simple_shapes(place);
	alternating(place);
	small_among_large(place);
	preallocated(place);
	mapped_into_hole(place);
	beside_shared_blocks(place);
}

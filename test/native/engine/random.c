// SPDX-License-Identifier: MIT
/*
 * Files made by random calls. Each has its own seed: --seed n --cases 1 makes
 * it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"

static uint64_t state, most_bytes;

static uint64_t pick(uint64_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % below;
}

static uint64_t any_offset(void)
{
	uint64_t offset = pick(most_bytes);

	return pick(3) ? offset / 4096 * 4096 : offset;
}

static void store(int fd, uint64_t offset, uint64_t length)
{
	static unsigned char bytes[1 << 20];
	uint64_t value = pick(6) ? pick(255) + 1 : 0, i;

	length = length < sizeof(bytes) ? length : sizeof(bytes);
	for (i = 0; i < length; i++) /* so that no part equals another */
		bytes[i] = (unsigned char)(value ? value + (offset + i) / 89 : 0);
	if (pick(2)) /* zeroes with one byte that is not */
		memset(bytes, 0, length - 1);
	if (pwrite(fd, bytes, length, (off_t)offset) < 0)
		wrong("write: %m");
}

static void store_mapped(int fd, uint64_t offset)
{
	uint64_t page = offset / 4096 * 4096;
	unsigned char *mapped;

	if (offset >= (uint64_t)lseek(fd, 0, SEEK_END))
		return;
	mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)page);
	if (mapped == MAP_FAILED)
		return;
	mapped[offset - page] = 9;
	munmap(mapped, 4096);
}

/* Write this file back, or sometimes all files, and drop it from memory. */
static void drop_caches(int fd)
{
	int all = pick(40) ? -1 : open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (all >= 0) {
		if (write(all, "1", 1) < 0)
			wrong("drop_caches: %m");
		close(all);
	}
}

/* Collapsing and inserting a range needs whole blocks. */
static int shift(int fd, int mode, uint64_t offset, uint64_t length)
{
	if (mode == FALLOC_FL_INSERT_RANGE && lseek(fd, 0, SEEK_END) > 2 * (off_t)most_bytes)
		return 0;
	return fallocate(fd, mode, (off_t)(offset / 4096 * 4096), (off_t)((length + 4095) / 4096 * 4096));
}

/* The file system refuses an operation that it does not support, and the file stays as it was. */
static void change(int fd, int clone)
{
	uint64_t offset = any_offset(), length = 1 + pick(pick(2) ? 9000 : most_bytes / 4);
	int refused = 0;

	switch (pick(16)) {
	case 0:
		refused = fallocate(fd, 0, (off_t)offset, (off_t)length);
		break;
	case 1:
		refused = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
		break;
	case 2:
		refused = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				    (off_t)length);
		break;
	case 3:
		refused = fallocate(fd, FALLOC_FL_ZERO_RANGE | (pick(2) ? FALLOC_FL_KEEP_SIZE : 0),
				    (off_t)offset, (off_t)length);
		break;
	case 4:
		refused = ftruncate(fd, (off_t)offset);
		break;
	case 5:
		refused = pick(3) ? ioctl(clone, FICLONE, fd) : fsync(fd);
		break;
	case 6:
		refused = shift(fd, FALLOC_FL_COLLAPSE_RANGE, offset, length);
		break;
	case 7:
		refused = shift(fd, FALLOC_FL_INSERT_RANGE, offset, length);
		break;
	case 8:
		drop_caches(fd);
		break;
	case 9:
	case 10:
		store_mapped(fd, offset);
		break;
	default:
		store(fd, offset, length);
	}
	(void)refused;
}

static uint32_t any_flags(void)
{
	return pick(8) ? GK_DUMP_CHUNKED | (pick(2) ? GK_DUMP_DETECT_ZEROES : 0) : 0;
}

/* An image that was cut short, has grown, or has other bytes. */
static void spoil(int image)
{
	uint64_t bytes = (uint64_t)lseek(image, 0, SEEK_END), times;

	if (!pick(3) && ftruncate(image, (off_t)pick(bytes + 100000)) < 0)
		wrong("truncate: %m");
	for (times = pick(4); times; times--)
		store(image, pick(bytes + 1), 1 + pick(pick(2) ? 30 : 100000));
}

static void one_file(const struct place *place, uint64_t seed)
{
	int fd = ghost_in(place), clone = scratch_in(place), holder, image;
	uint64_t changes, size, rounds;
	uint32_t engine;

	state = seed * 0x9e3779b97f4a7c15u;
	most_bytes = pick(16) ? 768 << 10 : 6 << 20;
	for (changes = 1 + pick(12); changes; changes--)
		change(fd, clone);
	holder = seen(place, fd);
	size = (uint64_t)lseek(holder, 0, SEEK_END);
	for (engine = GK_ENGINE_AUTO; engine <= GK_ENGINE_READ; engine++)
		compare_extents(holder, size, engine);
	image = image_in(place);
	compare_image(place, holder, size, (uint32_t)pick(4), any_flags(), image);
	/* and what it is by now, over the image of what it was, several times */
	for (rounds = holder == fd ? 1 + pick(4) : 0; rounds; rounds--) {
		for (changes = pick(4); changes; changes--)
			change(fd, clone);
		if (!pick(6))
			spoil(image);
		compare_image(place, fd, (uint64_t)lseek(fd, 0, SEEK_END), (uint32_t)pick(4),
			      any_flags() | GK_DUMP_OVER, image);
	}
	if (holder != fd)
		close(holder);
	close(image);
	close(fd);
	close(clone);
}

void random_cases(const struct place *place, uint64_t seed, uint64_t number, double seconds)
{
	struct timespec start, now;
	uint64_t i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	begin(place->name, "random files from seed %lu on", seed);
	for (i = 0; i < number; i++) {
		one_file(place, seed + i);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (how_wrong()) {
			wrong("it was the file of seed %lu", seed + i);
			break;
		}
		if (seconds > 0 &&
		    (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 >
			    seconds)
			number = i + 1;
	}
	remark("%lu files, each with every engine", i);
}

// SPDX-License-Identifier: MIT
/* Files that nobody thought of. GK_SEED=n repeats a run. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"

#define CASES 150
#define MOST_BYTES (768 << 10)

static uint64_t state;

static uint64_t pick(uint64_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % below;
}

static uint64_t any_offset(void)
{
	uint64_t offset = pick(MOST_BYTES);

	return pick(3) ? offset / 4096 * 4096 : offset;
}

static void store(int fd, uint64_t offset, uint64_t length)
{
	unsigned char bytes[70000];

	length = length < sizeof(bytes) ? length : sizeof(bytes);
	memset(bytes, pick(6) ? (int)pick(255) + 1 : 0, length);
	if (pick(2))	/* zeroes with one byte that is not */
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

/* What the file system does not know it refuses, and the file stays as it was. */
static void change(int fd, int clone)
{
	uint64_t offset = any_offset(), length = 1 + pick(pick(2) ? 9000 : 200000);
	int refused = 0;

	switch (pick(12)) {
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
		refused = fallocate(fd, FALLOC_FL_ZERO_RANGE, (off_t)offset, (off_t)length);
		break;
	case 4:
		refused = ftruncate(fd, (off_t)offset);
		break;
	case 5:
		refused = pick(3) ? ioctl(clone, FICLONE, fd) : fsync(fd);
		break;
	case 6:
	case 7:
		store_mapped(fd, offset);
		break;
	default:
		store(fd, offset, length);
	}
	(void)refused;
}

void random_cases(const struct place *place)
{
	const char *given = getenv("GK_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	int i, fd, clone;

	begin(place->name, "%d random files, GK_SEED=%lu", CASES, seed);
	state = seed;
	for (i = 0; i < CASES; i++) {
		uint64_t changes = 1 + pick(12), size;
		uint32_t engine;

		fd = ghost_in(place);
		clone = ghost_in(place);
		while (changes--)
			change(fd, clone);
		size = (uint64_t)lseek(fd, 0, SEEK_END);
		for (engine = GK_ENGINE_AUTO; engine <= GK_ENGINE_READ; engine++)
			compare_extents(fd, size, engine);
		compare_round_trip(place, fd, size, (uint32_t)pick(4), pick(8));
		close(fd);
		close(clone);
	}
}

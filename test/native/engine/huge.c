// SPDX-License-Identifier: MIT
/* The largest possible file, with one byte at its very end. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "tap.h"

static void find_last_byte(int fd, uint32_t engine)
{
	struct gk_extent extents[4];
	struct gk_report report;
	uint64_t next;
	uint32_t count;

	expect(!gk_extents(fd, engine, INT64_MAX, 0, extents, 4, &count, &next, &report) && count == 1 &&
		       next == INT64_MAX && extents[0].offset + extents[0].length == INT64_MAX &&
		       extents[0].length <= 65536,
	       "engine %u: %u extents, first %lu+%lu %s", engine, count, extents[0].offset, extents[0].length,
	       report.message);
}

void huge_cases(const struct place *place)
{
	int fd = ghost_in(place), image = ghost_in(place), file = ghost_in(place);
	unsigned char head[128], byte = 0;
	struct gk_report report;
	uint32_t engine;

	begin(place->name, "a file of 8 EiB - 1 with one byte at its end");
	if (ftruncate(fd, INT64_MAX) < 0 || pwrite(fd, "x", 1, INT64_MAX - 1) != 1) {
		/* This is not a skipped test: ext4 and btrfs cannot have such files. */
		expect(errno == EFBIG || errno == EINVAL || errno == ENOSPC, "%s", strerror(errno));
		goto out;
	}
	for (engine = GK_ENGINE_AUTO; engine <= GK_ENGINE_SEEK; engine++)
		find_last_byte(fd, engine);
	if (expect(!gk_dump(fd, image, GK_ENGINE_AUTO, INT64_MAX, head, make_head(head, INT64_MAX, true), 1,
			    NULL, &report),
		   "dump: %s", report.message) &&
	    expect(!gk_restore(image, file, NULL, &report), "restore: %s", report.message)) {
		expect(lseek(file, 0, SEEK_END) == INT64_MAX, "restored size");
		expect(pread(file, &byte, 1, INT64_MAX - 1) == 1 && byte == 'x', "restored byte");
	}
	expect(gk_extents(fd, 0, (uint64_t)INT64_MAX + 1, 0, (struct gk_extent[1]){ 0 }, 1, &(uint32_t){ 0 },
			  &(uint64_t){ 0 }, &report) == -EINVAL,
	       "a size of 8 EiB is accepted");
out:
	close(fd);
	close(image);
	close(file);
}

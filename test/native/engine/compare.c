// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "tap.h"

#define BLOCK 4096
#define STEP (1 << 20)

static unsigned char *plain_read(int fd, uint64_t size)
{
	unsigned char *bytes = calloc(1, size + 1);
	uint64_t done = 0;
	ssize_t got;

	while (done < size && (got = pread(fd, bytes + done, size - done, (off_t)done)) > 0)
		done += (uint64_t)got;
	return bytes;
}

static uint64_t first_nonzero(const unsigned char *bytes, uint64_t from, uint64_t to)
{
	while (from < to && !bytes[from])
		from++;
	return from;
}

/* The read engine must give exactly the blocks of 4096 bytes that are not all zero. */
static void compare_exactly(const unsigned char *bytes, uint64_t size, uint64_t gap_end,
			    const struct gk_extent *extent)
{
	uint64_t at, end;

	expect(extent->offset % BLOCK == 0 && gap_end <= extent->offset, "data begins at %lu, off the grid",
	       extent->offset);
	for (at = extent->offset; at < extent->offset + extent->length; at = end) {
		end = at + BLOCK < size ? at + BLOCK : size;
		expect(first_nonzero(bytes, at, end) < end, "a zero block at %lu as data", at);
	}
}

void compare_extents(int fd, uint64_t size, uint32_t engine)
{
	unsigned char *bytes = plain_read(fd, size);
	struct gk_extent extents[7], last = { 0 };
	uint64_t next = 0, reached = 0, at;
	struct gk_report report;
	uint32_t count, i;
	bool any = false;

	while (next < size) {
		uint64_t from = next;
		int error = gk_extents(fd, engine, size, from, extents, 7, &count, &next, &report);

		if (!expect(!error, "engine %u: %s", engine, report.message) ||
		    !expect(next > from, "engine %u: no progress at %lu", engine, from))
			break;
		for (i = 0; i < count; i++) {
			struct gk_extent *e = &extents[i];

			expect(e->length && e->offset >= reached && e->offset + e->length <= size,
			       "engine %u: extent %lu+%lu after %lu of %lu", engine, e->offset, e->length,
			       reached, size);
			expect(!any || i == 0 || e->kind != last.kind || e->offset > reached,
			       "engine %u: not merged at %lu", engine, e->offset);
			if (e->kind != GK_EXTENT_DATA) {
				at = first_nonzero(bytes, reached, e->offset + e->length);
				expect(at == e->offset + e->length,
				       "engine %u: %lu left out as unwritten or hole", engine, at);
			} else {
				at = first_nonzero(bytes, reached, e->offset);
				expect(at == e->offset, "engine %u: %lu left out", engine, at);
				if (engine == GK_ENGINE_READ)
					compare_exactly(bytes, size, reached, e);
			}
			reached = e->offset + e->length;
			last = *e;
			any = true;
		}
	}
	at = first_nonzero(bytes, reached, size);
	expect(at >= size, "engine %u: %lu left out at the end", engine, at);
	free(bytes);
}

uint64_t first_difference(int a, int b, uint64_t size)
{
	unsigned char *left = malloc(STEP), *right = malloc(STEP);
	uint64_t at = 0, i = 0;

	while (at < size) {
		ssize_t got = pread(a, left, STEP, (off_t)at);
		ssize_t other = pread(b, right, STEP, (off_t)at);

		if (got > (ssize_t)(size - at))
			got = (ssize_t)(size - at);
		if (got <= 0 || other < got)
			break;
		if (memcmp(left, right, (size_t)got)) {
			for (i = 0; left[i] == right[i]; i++)
				;
			break;
		}
		at += (uint64_t)got;
	}
	free(left);
	free(right);
	return at + i;
}

static uint32_t put_number(unsigned char *to, uint32_t field, uint64_t value)
{
	uint32_t used = 0;

	to[used++] = (unsigned char)(field << 3);
	for (; value > 127; value >>= 7)
		to[used++] = (unsigned char)(value | 128);
	to[used++] = (unsigned char)value;
	return used;
}

uint32_t make_head(unsigned char *head, uint64_t size, bool chunked)
{
	const uint32_t magics[2] = { 0x54564319, 0x52583605 };
	uint32_t used = 12, i;

	memcpy(head, magics, 8);
	for (i = 1; i <= 5; i++)
		used += put_number(head + used, i, 1000 + i);
	if (chunked) {
		used += put_number(head + used, 9, 1);
		used += put_number(head + used, 10, size);
	}
	i = used - 12;
	memcpy(head + 8, &i, 4);
	return used;
}

/*
 * The sum of the chunks, each grown to whole blocks: the restored file may hold at most this much
 * as data. An image that was written over an earlier one may have several chunks for one range.
 */
static uint64_t chunk_blocks(int image, bool over)
{
	uint64_t next = 0, sum = 0, reached = 0;
	struct gk_extent extents[5];
	struct gk_report report;
	uint32_t count, i;

	do {
		if (!expect(!gk_chunks(image, next, extents, 5, &count, &next, &report), "chunks: %s",
			    report.message))
			break;
		for (i = 0; i < count; i++) {
			uint64_t from = extents[i].offset / BLOCK * BLOCK;
			uint64_t to = extents[i].offset + extents[i].length;

			expect(over || i == 0 || extents[i].offset > reached, "touching chunks at %lu",
			       extents[i].offset);
			reached = to;
			to = (to + BLOCK - 1) / BLOCK * BLOCK;
			sum += to - from;
		}
	} while (next);
	return sum;
}

static void compare_restored(const struct place *place, int fd, int image, int file, uint64_t size,
			     uint32_t flags)
{
	struct gk_extent extent;
	uint64_t next = 0, held = 0, chunks;
	struct gk_report report;
	struct stat about;
	bool chunked = flags & GK_DUMP_CHUNKED;
	uint32_t count;

	fstat(file, &about);
	expect((uint64_t)about.st_size == size, "restored size %ld", (long)about.st_size);
	expect(first_difference(fd, file, size) == size, "restored differs at %lu",
	       first_difference(fd, file, size));
	while (chunked && place->knows_holes && next < size &&
	       !gk_extents(file, GK_ENGINE_SEEK, size, next, &extent, 1, &count, &next, &report))
		held += count ? extent.length : 0;
	chunks = chunk_blocks(image, flags & GK_DUMP_OVER);
	expect(!chunked || held <= chunks, "restored holds %lu, chunks %lu", held, chunks);
}

uint64_t compare_round_trip(const struct place *place, int fd, uint64_t size, uint32_t engine, uint32_t flags)
{
	int image = image_in(place);
	uint64_t bytes = compare_image(place, fd, size, engine, flags, image);

	close(image);
	return bytes;
}

uint64_t compare_image(const struct place *place, int fd, uint64_t size, uint32_t engine, uint32_t flags,
		       int image)
{
	int file = image_in(place);
	struct gk_report dumped, checked, restored;
	bool chunked = flags & GK_DUMP_CHUNKED;
	struct gk_progress progress = { 0 };
	unsigned char head[128];
	struct stat about;

	if (expect(!gk_dump(fd, image, engine, size, head, make_head(head, size, chunked), flags, &progress,
			    &dumped),
		   "dump: %s", dumped.message) &&
	    expect(!gk_check(image, NULL, &checked), "check: %s", checked.message)) {
		fstat(image, &about);
		expect(dumped.image_bytes == (uint64_t)about.st_size, "image_bytes %lu, really %lu",
		       dumped.image_bytes, (uint64_t)about.st_size);
		expect(checked.size == size && checked.chunks == dumped.chunks &&
			       checked.data_bytes == dumped.data_bytes &&
			       progress.done_bytes == dumped.data_bytes,
		       "dump says %lu bytes in %lu chunks, progress %lu, check %lu in %lu of %lu",
		       dumped.data_bytes, dumped.chunks, progress.done_bytes, checked.data_bytes,
		       checked.chunks, checked.size);
		if (expect(!gk_restore(image, file, NULL, &restored), "restore: %s", restored.message)) {
			expect(restored.data_bytes == dumped.data_bytes && restored.chunks == dumped.chunks,
			       "restore counts otherwise");
			compare_restored(place, fd, image, file, size, flags);
		}
	}
	close(file);
	return dumped.data_bytes;
}

void compare_all(const struct place *place, int fd, uint64_t size)
{
	uint64_t nonzero = 0, left;
	uint32_t engine;

	for (engine = GK_ENGINE_AUTO; engine <= GK_ENGINE_READ; engine++) {
		compare_extents(fd, size, engine);
		nonzero = compare_round_trip(place, fd, size, engine, GK_DUMP_CHUNKED);
	}
	compare_round_trip(place, fd, size, GK_ENGINE_AUTO, 0);
	for (engine = GK_ENGINE_AUTO; engine <= GK_ENGINE_SEEK; engine++) {
		left = compare_round_trip(place, fd, size, engine, GK_DUMP_CHUNKED | GK_DUMP_DETECT_ZEROES);
		expect(left <= nonzero, "engine %u: %lu bytes with zeroes detected, %lu are not zero", engine,
		       left, nonzero);
	}
}

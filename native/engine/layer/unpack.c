// SPDX-License-Identifier: MIT
/* Puts a ghost together from its layers, as an image or as a file, or only checks that it can be. */
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "copy/copy.h"
#include "image/chunk-header.h"
#include "layer/batch.h"
#include "layer/chain.h"
#include "layer/runs.h"

/* As a dump aligns the data of a chunk (native/engine/image/image-body.c). */
#define WIDE_BYTES (UINT64_C(4) << 20)
#define WIDE_ALIGN (UINT64_C(64) << 10)
#define PIECES_MAX 256

struct unpack {
	struct chain chain;
	struct batch batch;
	struct runs runs; /* only of an image */
	uint64_t run_left;
	int to; /* -1: only check */
	bool image;
	bool clones; /* the file system has not refused to share a range yet */
	uint64_t align;
	uint64_t position; /* in an image: where the next byte goes */
	/* Pieces that follow each other and are not written yet. */
	struct iovec pieces[PIECES_MAX];
	int count;
	uint64_t gathered_at, gathered;
	unsigned char headers[PIECES_MAX][CHUNK_HEADER_ROOM];
	struct gk_report *report;
	struct gk_progress *progress;
};

static int flush(struct unpack *unpack)
{
	int error = writev_full(unpack->to, unpack->pieces, unpack->count, unpack->gathered_at);

	if (unpack->count)
		unpack->report->ways |= GK_COPY_READ_WRITE;
	unpack->count = 0;
	unpack->gathered = 0;
	return error ? fail(unpack->report, error, unpack->gathered_at, "cannot write at offset %llu",
			    (unsigned long long)unpack->gathered_at) :
		       0;
}

/* Write what is gathered if another piece, for position, cannot be gathered with it. */
static int make_room(struct unpack *unpack, uint64_t position)
{
	bool follows = !unpack->count || unpack->gathered_at + unpack->gathered == position;

	return unpack->count == PIECES_MAX || !follows ? flush(unpack) : 0;
}

/* The bytes must stay where they are until flush(). */
static int gather(struct unpack *unpack, const void *bytes, uint64_t length, uint64_t position)
{
	int error = make_room(unpack, position);

	if (!unpack->count)
		unpack->gathered_at = position;
	unpack->pieces[unpack->count++] = (struct iovec){ (void *)bytes, length };
	unpack->gathered += length;
	return error;
}

/* Begin the next chunk of the image, whose first byte is at offset of the ghost. */
static int begin_chunk(struct unpack *unpack, uint64_t offset)
{
	static const unsigned char zero[2 * WIDE_ALIGN];
	uint64_t at, length, zeroes = 0, used, align;
	unsigned char *header;
	int got, error;

	got = runs_next(&unpack->runs, &at, &length);
	if (got < 0)
		return got;
	if (got == 0 || at != offset)
		return fail(unpack->report, -EBADMSG, offset, "the map was changed while it was read");
	/* Before the header gets its place: this place belongs to the piece that is gathered next. */
	error = make_room(unpack, unpack->position);
	if (error)
		return error;
	header = unpack->headers[unpack->count];
	align = length >= WIDE_BYTES ? WIDE_ALIGN : unpack->align;
	if (length >= LARGE_BYTES)
		used = encode_padded_chunk(header, offset, length, unpack->position, align, &zeroes);
	else
		used = encode_chunk(header, offset, length);
	error = gather(unpack, header, used, unpack->position);
	if (!error && zeroes)
		error = gather(unpack, zero, zeroes, unpack->position + used);
	unpack->position += used + zeroes;
	unpack->run_left = length;
	unpack->report->chunks++;
	return error;
}

/* Share a range with the file it comes from, where both lie on blocks. Returns false where that fails. */
static bool clone(struct unpack *unpack, const struct unit *unit, uint32_t at, uint64_t length, uint64_t to)
{
	for (uint32_t i = 0; unpack->clones && i < unit->pieces; i++) {
		const struct piece *piece = &unpack->batch.places[unit->first_piece + i];
		struct file_clone_range range = {
			.src_fd = piece->fd,
			.src_offset = piece->position + (at - piece->at),
			.src_length = length,
			.dest_offset = to,
		};

		if (at < piece->at || at + length > piece->at + piece->length)
			continue;
		if (range.src_offset % unpack->align || length % unpack->align || to % unpack->align)
			return false;
		while (ioctl(unpack->to, FICLONERANGE, &range) < 0)
			if (errno != EINTR) {
				unpack->clones = false;
				return false;
			}
		unpack->report->ways |= GK_COPY_REFLINK;
		return true;
	}
	return false;
}

/* Write neighbouring blocks of a unit. */
static int write_row(struct unpack *unpack, const struct unit *unit, uint32_t first, uint32_t count)
{
	uint64_t offset = unit->number * UNIT_BYTES + first * BLOCK_BYTES, to = offset;
	uint64_t length = count * BLOCK_BYTES;
	int error = 0;

	if (length > unpack->chain.size - offset)
		length = unpack->chain.size - offset;
	unpack->report->data_bytes += length;
	if (unpack->to < 0)
		return 0;
	if (unpack->image) {
		if (unpack->run_left == 0)
			error = begin_chunk(unpack, offset);
		if (error)
			return error;
		if (length > unpack->run_left)
			return fail(unpack->report, -EBADMSG, offset,
				    "the map was changed while it was read");
		to = unpack->position;
		unpack->position += length;
		unpack->run_left -= length;
	}
	if (clone(unpack, unit, first * BLOCK_BYTES, length, to))
		return 0;
	return gather(unpack, unit->bytes + first * BLOCK_BYTES, length, to);
}

static int write_units(struct unpack *unpack)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < unpack->batch.count; i++) {
		const struct unit *unit = &unpack->batch.units[i];
		uint16_t blocks = unit->blocks;
		uint32_t first, count;

		if (unit->skipped) {
			unpack->report->kept_bytes += (uint64_t)__builtin_popcount(blocks) * BLOCK_BYTES;
			continue;
		}
		while (!error && blocks) {
			take_blocks(&blocks, &first, &count);
			error = write_row(unpack, unit, first, count);
		}
	}
	return error || unpack->to < 0 ? error : flush(unpack);
}

static int unpack_units(struct unpack *unpack)
{
	bool local = unpack->to < 0 && unpack->chain.count == 1;
	uint64_t unit = 0;
	int got = 1, error = 0;

	while (got > 0 && !error) {
		if (cancelled(unpack->progress))
			return fail(unpack->report, -ECANCELED, unit * UNIT_BYTES,
				    "stopped at offset %llu of the ghost",
				    (unsigned long long)(unit * UNIT_BYTES));
		batch_clear(&unpack->batch);
		while (!error && batch_has_room(&unpack->batch)) {
			got = chain_next(&unpack->chain, &unit);
			if (got <= 0)
				break;
			error = chain_add(&unpack->chain, unit++, local, &unpack->batch);
		}
		if (got < 0)
			return got;
		if (!error)
			error = batch_read(&unpack->batch, unpack->report);
		if (!error)
			error = write_units(unpack);
		progress_add(unpack->progress, unpack->batch.count * UNIT_BYTES);
	}
	return error;
}

static int prepare(struct unpack *unpack, const void *header, uint64_t header_bytes)
{
	struct iovec piece = { (void *)header, header_bytes };
	struct stat about;
	int error;

	if (fstat(unpack->to, &about) < 0)
		return fail(unpack->report, -errno, 0, "cannot look at the file");
	if (!S_ISREG(about.st_mode) || about.st_size != 0)
		return fail(unpack->report, -EINVAL, 0, "it is not an empty regular file");
	unpack->align = block_size(unpack->to);
	unpack->clones = true;
	if (!unpack->image) {
		if (ftruncate(unpack->to, (off_t)unpack->chain.size) < 0)
			return fail(unpack->report, -errno, unpack->chain.size,
				    "cannot set the file's size to %llu",
				    (unsigned long long)unpack->chain.size);
		return 0;
	}
	error = runs_open(&unpack->runs, unpack->chain.levels[0].map.fd, unpack->report);
	if (error)
		return error;
	error = writev_full(unpack->to, &piece, 1, 0);
	unpack->position = header_bytes;
	return error ? fail(unpack->report, error, 0, "cannot write the head of the image") : 0;
}

static int do_unpack(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
		     uint64_t header_bytes, struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE struct unpack *unpack = calloc(1, sizeof(*unpack));
	int error;

	memset(report, 0, sizeof(*report));
	if (!unpack)
		return fail(report, -ENOMEM, 0, "cannot put a ghost together");
	unpack->to = to_fd;
	unpack->image = header_bytes > 0;
	unpack->report = report;
	unpack->progress = progress;
	error = batch_init(&unpack->batch, report);
	if (!error)
		error = chain_open(&unpack->chain, levels, count, report);
	if (!error && unpack->chain.levels[0].whole)
		error = fail(report, -EINVAL, 0, "the first layer is a whole image");
	if (!error && to_fd >= 0)
		error = prepare(unpack, header, header_bytes);
	if (!error)
		error = unpack_units(unpack);
	if (!error && unpack->run_left)
		error = fail(report, -EBADMSG, 0, "the map was changed while it was read");
	report->size = unpack->chain.size;
	if (unpack->image)
		report->image_bytes = unpack->position;
	chain_close(&unpack->chain);
	runs_close(&unpack->runs);
	batch_free(&unpack->batch);
	return error;
}

GK_PUBLIC int gk_unpack(const struct gk_level *levels, uint32_t count, int to_fd, const void *header,
			uint64_t header_bytes, struct gk_progress *progress, struct gk_report *report)
{
	return do_unpack(levels, count, to_fd, header, header_bytes, progress, report);
}

GK_PUBLIC int gk_check_layer(const struct gk_level *levels, uint32_t count, struct gk_progress *progress,
			     struct gk_report *report)
{
	return do_unpack(levels, count, -1, NULL, 0, progress, report);
}

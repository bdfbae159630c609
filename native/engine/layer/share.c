// SPDX-License-Identifier: MIT
/* Finds equal blocks of two ghost images, and lets the file system keep one of each. */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "copy/copy.h"
#include "image/image-read.h"

/* btrfs takes at most this much in one call. */
#define CALL_BYTES (UINT64_C(16) << 20)

/* One of the two images, and the chunk of it that was reached. */
struct side {
	struct image image;
	struct image_chunk chunk;
	bool ended;
	unsigned char *window;
};

struct share {
	struct side from, to;
	uint64_t block;
	/* Equal bytes that are not shared yet, as positions in both images. */
	uint64_t run_from, run_to, run_bytes;
	struct gk_report *report;
	struct gk_progress *progress;
};

static int step(struct side *side)
{
	int got = image_next(&side->image, &side->chunk);

	side->ended = got == 0;
	return got < 0 ? got : 0;
}

/*
 * Ask the file system to share a range. *done is how many bytes it shares now, which are fewer than
 * length where bytes differ. Returns 0 or a negative errno.
 */
static int dedupe(struct share *share, uint64_t from, uint64_t to, uint64_t length, uint64_t *done)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} ask = {
		.range = { .src_offset = from, .src_length = length, .dest_count = 1 },
		.info = { .dest_fd = share->to.image.fd, .dest_offset = to },
	};

	*done = 0;
	while (ioctl(share->from.image.fd, FIDEDUPERANGE, &ask) < 0)
		if (errno != EINTR)
			return -errno;
	if (ask.info.status < 0)
		return ask.info.status;
	if (ask.info.status == FILE_DEDUPE_RANGE_SAME)
		*done = ask.info.bytes_deduped < length ? ask.info.bytes_deduped : length;
	return 0;
}

static int cannot_share(struct share *share, int error, uint64_t position)
{
	bool unable = error == -EOPNOTSUPP || error == -ENOTTY || error == -EXDEV || error == -EINVAL ||
		      error == -ENOSYS;

	return fail(share->report, unable ? -EOPNOTSUPP : error, position,
		    "cannot share blocks at offset %llu of the image", (unsigned long long)position);
}

static int share_run(struct share *share)
{
	uint64_t done;

	while (share->run_bytes) {
		int error = dedupe(share, share->run_from, share->run_to, share->run_bytes, &done);

		if (error)
			return cannot_share(share, error, share->run_to);
		if (done == 0) /* somebody has changed the file since we compared */
			break;
		share->report->data_bytes += done;
		share->run_from += done;
		share->run_to += done;
		share->run_bytes -= done;
	}
	share->run_bytes = 0;
	return 0;
}

static int add_equal(struct share *share, uint64_t from, uint64_t to, uint64_t length)
{
	bool follows = share->run_bytes && share->run_from + share->run_bytes == from &&
		       share->run_to + share->run_bytes == to;
	int error = 0;

	if (!follows || share->run_bytes + length > CALL_BYTES)
		error = share_run(share);
	if (error)
		return error;
	if (!share->run_bytes) {
		share->run_from = from;
		share->run_to = to;
	}
	share->run_bytes += length;
	return 0;
}

static int read_side(struct share *share, struct side *side, uint64_t position, uint64_t length)
{
	int64_t got = read_full(side->image.fd, side->window, length, position);

	if (got < 0)
		return fail(share->report, (int)got, position, "cannot read the image at offset %llu",
			    (unsigned long long)position);
	if ((uint64_t)got < length)
		return fail(share->report, -EBADMSG, position,
			    "the image was cut short while it was read at offset %llu",
			    (unsigned long long)position);
	return 0;
}

/* Compare whole blocks, and note the equal ones. */
static int compare(struct share *share, uint64_t from, uint64_t to, uint64_t length)
{
	uint64_t block = share->block, window, at;
	int error = 0;

	for (; length && !error; length -= window, from += window, to += window) {
		window = length < WINDOW_BYTES ? length : WINDOW_BYTES;
		if (cancelled(share->progress))
			return fail(share->report, -ECANCELED, to, "stopped at offset %llu of the image",
				    (unsigned long long)to);
		error = read_side(share, &share->from, from, window);
		if (!error)
			error = read_side(share, &share->to, to, window);
		for (at = 0; !error && at < window; at += block)
			if (!memcmp(share->from.window + at, share->to.window + at, block))
				error = add_equal(share, from + at, to + at, block);
		progress_add(share->progress, window);
	}
	return error;
}

/*
 * Find the place on the disk of the byte at position. *length, which is at most what it was before,
 * becomes the number of bytes that lie there in a row. Returns false where the file system's map does
 * not say it: without FIEMAP, and for compressed, inline or unwritten data.
 */
static bool place_of(int fd, uint64_t position, uint64_t *length, uint64_t *place)
{
	const uint32_t vague = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |
			       FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE |
			       FIEMAP_EXTENT_UNWRITTEN;
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} ask = { .map = { .fm_start = position, .fm_length = *length, .fm_extent_count = 1 } };
	uint64_t skipped;

	if (ioctl(fd, FS_IOC_FIEMAP, &ask) < 0 || ask.map.fm_mapped_extents == 0 ||
	    ask.extent.fe_logical > position)
		return false;
	skipped = position - ask.extent.fe_logical;
	if (skipped >= ask.extent.fe_length)
		return false;
	if (ask.extent.fe_length - skipped < *length)
		*length = ask.extent.fe_length - skipped;
	*place = ask.extent.fe_physical + skipped;
	return !(ask.extent.fe_flags & vague);
}

/* Share a range of whole blocks of both images. Blocks that are shared already are not read again. */
static int share_range(struct share *share, uint64_t from, uint64_t to, uint64_t length)
{
	int error = 0;

	while (length && !error) {
		uint64_t piece = length, there = 0, here = 0;
		bool known = place_of(share->from.image.fd, from, &piece, &there) &&
			     place_of(share->to.image.fd, to, &piece, &here);

		if (piece > share->block)
			piece -= piece % share->block;
		if (piece > length || piece < share->block)
			piece = length;
		if (known && there == here)
			share->report->kept_bytes += piece;
		else
			error = compare(share, from, to, piece);
		from += piece;
		to += piece;
		length -= piece;
	}
	return error;
}

/* Share what the two chunks have in common, and step over the one that ends first. */
static int share_chunks(struct share *share)
{
	struct image_chunk *from = &share->from.chunk, *to = &share->to.chunk;
	uint64_t from_end = from->offset + from->length, to_end = to->offset + to->length;
	uint64_t start = from->offset > to->offset ? from->offset : to->offset;
	uint64_t end = from_end < to_end ? from_end : to_end, block = share->block;

	if (start < end) {
		uint64_t there = from->position + (start - from->offset);
		uint64_t here = to->position + (start - to->offset);
		uint64_t skip = (block - here % block) % block, length = end - start;
		int error = 0;

		if (there % block == here % block && length > skip && length - skip >= block)
			error = share_range(share, there + skip, here + skip,
					    (length - skip) - (length - skip) % block);
		if (error)
			return error;
	}
	return step(from_end <= to_end ? &share->from : &share->to);
}

/*
 * Find out whether the file system can share blocks before anything is compared, by asking it to
 * share the first blocks of both images. They hold the heads. If they are equal, sharing them does
 * no harm.
 */
static int probe(struct share *share)
{
	uint64_t block = share->block, done;
	int error;

	if (share->from.image.bytes < block || share->to.image.bytes < block)
		return 0;
	error = dedupe(share, 0, 0, block, &done);
	return error ? cannot_share(share, error, 0) : 0;
}

GK_PUBLIC int gk_share(int from_fd, int to_fd, struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE unsigned char *from_window = window_alloc(WINDOW_BYTES);
	AUTO_FREE unsigned char *to_window = window_alloc(WINDOW_BYTES);
	struct share share = { .report = report, .progress = progress };
	int error;

	memset(report, 0, sizeof(*report));
	if (!from_window || !to_window)
		return fail(report, -ENOMEM, 0, "cannot compare two images");
	share.from.window = from_window;
	share.to.window = to_window;
	share.block = block_size(to_fd);
	error = image_open(&share.from.image, from_fd, report);
	if (!error)
		error = image_open(&share.to.image, to_fd, report);
	if (!error)
		error = probe(&share);
	if (!error)
		error = step(&share.from);
	if (!error)
		error = step(&share.to);
	while (!error && !share.from.ended && !share.to.ended)
		error = share_chunks(&share);
	if (!error)
		error = share_run(&share);
	image_close(&share.from.image);
	image_close(&share.to.image);
	return error;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/memory.h"
#include "image/format.h"
#include "image/image-read.h"

/*
 * Read only this much after a large chunk. Usually another large chunk follows, so of a whole window
 * only one header would be used.
 */
#define FAR_READ_BYTES (UINT64_C(8) << 10)

/*
 * Read only this much at a time if only headers are wanted. This has room for a header whose padding
 * ends on the next block. It also has room for a small header, one block of data and the header that
 * follows, which then needs no read of its own.
 */
#define HEADER_READ_BYTES 4608

static int bad(struct image *image, uint64_t position, const char *what)
{
	return fail(image->report, -EBADMSG, position, "%s at offset %llu of the image", what,
		    (unsigned long long)position);
}

static uint32_t le32(const unsigned char *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

int image_bytes(struct image *image, uint64_t position, uint64_t length, const unsigned char **bytes)
{
	uint64_t inside = position - image->window_start, wanted, left;
	int64_t got;
	int error;

	if (position < image->window_start || inside > image->window_bytes ||
	    length > image->window_bytes - inside) {
		if (position > image->bytes || length > image->bytes - position)
			return bad(image, position, "the image is cut short");
		if (image->leaving) {
			error = image->leaving(image->context);
			if (error)
				return error;
		}
		wanted = image->far ? FAR_READ_BYTES : WINDOW_BYTES;
		wanted = image->headers_only ? HEADER_READ_BYTES : wanted;
		left = image->bytes - position;
		wanted = wanted > length ? wanted : length;
		image->window_bytes = 0;
		got = read_full(image->fd, image->window, wanted < left ? wanted : left, position);
		if (got < 0)
			return fail(image->report, (int)got, position, "cannot read the image at offset %llu",
				    (unsigned long long)position);
		image->window_start = position;
		image->window_bytes = (uint64_t)got;
		if ((uint64_t)got < length)
			return bad(image, position, "the image was cut short while it was read");
		inside = 0;
	}
	*bytes = image->window + inside;
	return 0;
}

/* Read an entry's length prefix and its bytes, and move position behind it. */
static int next_entry(struct image *image, uint32_t limit, const unsigned char **entry, uint32_t *length)
{
	uint64_t position = image->position;
	int error = image_bytes(image, position, LENGTH_BYTES, entry);

	if (error)
		return error;
	*length = le32(*entry);
	if (*length > limit)
		return bad(image, position, "an entry is too long");
	error = image_bytes(image, position, LENGTH_BYTES + (uint64_t)*length, entry);
	if (error)
		return error;
	*entry += LENGTH_BYTES;
	image->position = position + LENGTH_BYTES + *length;
	return 0;
}

static int read_head(struct image *image)
{
	const unsigned char *bytes;
	struct ghost_entry ghost;
	const char *wrong;
	uint32_t length;
	int error;

	error = image_bytes(image, 0, MAGICS_BYTES, &bytes);
	if (error)
		return error;
	if (le32(bytes) != MAGIC_IMG_COMMON)
		return bad(image, 0, "no CRIU image magic");
	if (le32(bytes + 4) != MAGIC_GHOST_FILE)
		return bad(image, 4, "no ghost file magic");
	image->position = MAGICS_BYTES;
	error = next_entry(image, GHOST_ENTRY_MAX, &bytes, &length);
	if (error)
		return error;
	wrong = parse_ghost_entry(bytes, length, &ghost);
	if (wrong)
		return bad(image, MAGICS_BYTES, wrong);
	image->body = image->position;
	image->chunked = ghost.chunks;
	image->size = ghost.chunks ? ghost.size : image->bytes - image->body;
	image->report->size = image->size;
	return 0;
}

static int open_image(struct image *image, int fd, bool headers_only, struct gk_report *report)
{
	struct stat about;

	memset(image, 0, sizeof(*image));
	image->fd = fd;
	image->headers_only = headers_only;
	image->report = report;
	if (fstat(fd, &about) < 0)
		return fail(report, -errno, 0, "cannot look at the image");
	if (!S_ISREG(about.st_mode))
		return fail(report, -EINVAL, 0, "the image is not a regular file");
	image->bytes = report->image_bytes = (uint64_t)about.st_size;
	image->window = window_alloc(IMAGE_WINDOW_BYTES);
	if (!image->window)
		return fail(report, -ENOMEM, 0, "cannot read the image");
	return read_head(image);
}

int image_open(struct image *image, int fd, struct gk_report *report)
{
	return open_image(image, fd, false, report);
}

int image_open_headers(struct image *image, int fd, struct gk_report *report)
{
	return open_image(image, fd, true, report);
}

void image_close(struct image *image)
{
	if (image->first)
		image_close(image->first);
	free(image->first);
	free(image->window);
	image->first = NULL;
	image->window = NULL;
}

/*
 * The offsets go back at this chunk, and the second run begins. Open a walk over the first run,
 * which ends where the header of this chunk begins.
 */
static int begin_second_run(struct image *image, uint64_t header)
{
	int error;

	if (image->second_run)
		return bad(image, header, "a chunk overlaps the one before it, or goes back a second time");
	image->second_run = true;
	image->first = calloc(1, sizeof(*image->first));
	if (!image->first)
		return fail(image->report, -ENOMEM, header, "cannot read the image");
	error = image_open(image->first, image->fd, image->report);
	if (error)
		return error;
	image->report->image_bytes = image->bytes;
	image->first->bytes = header;
	image->first->second_run = true; /* so no third walk begins, even if the file is changed now */
	error = image_next(image->first, &image->beside);
	return error < 0 ? error : 0;
}

/* Check that a chunk of the second run overlaps none of the first. */
static int check_beside(struct image *image, uint64_t header, const struct chunk_entry *entry)
{
	struct image_chunk *beside = &image->beside;
	int got = 1;

	while (beside->length && beside->offset + beside->length <= entry->offset) {
		beside->length = 0;
		got = image_next(image->first, beside);
		if (got < 0)
			return got;
	}
	if (beside->length && beside->offset < entry->offset + entry->length)
		return bad(image, header, "a chunk overlaps one of the first run");
	return 0;
}

static int next_raw(struct image *image, struct image_chunk *chunk)
{
	*chunk = (struct image_chunk){ 0, image->size, image->body };
	image->position = image->bytes;
	if (image->raw_given || image->size == 0)
		return 0;
	image->raw_given = true;
	return 1;
}

/* Read the next header. Returns 1, 0 when it only fills a gap, or a negative errno. */
static int next_header(struct image *image, struct chunk_entry *entry)
{
	uint64_t header = image->position;
	const unsigned char *bytes;
	const char *wrong;
	uint32_t length;
	int error = next_entry(image, CHUNK_ENTRY_MAX, &bytes, &length);

	if (error)
		return error;
	wrong = parse_chunk_entry(bytes, length, entry);
	if (wrong)
		return bad(image, header, wrong);
	if (entry->offset > image->size || entry->length > image->size - entry->offset)
		return bad(image, header, "a chunk passes the ghost's size");
	if (entry->length > image->bytes - image->position)
		return bad(image, header, "a chunk's data is cut short");
	if (entry->length > 0)
		return 1;
	/* A chunk without data has a minimum length: a small image could hold millions of short ones. */
	return length < FILLER_MIN ? bad(image, header, "a chunk without data") : 0;
}

int image_next(struct image *image, struct image_chunk *chunk)
{
	struct chunk_entry entry;
	uint64_t header;
	int got;

	if (!image->chunked)
		return next_raw(image, chunk);
	do {
		header = image->position;
		if (header == image->bytes)
			return 0;
		got = next_header(image, &entry);
		if (got < 0)
			return got;
	} while (got == 0);
	if (entry.offset < image->reached) {
		if (image->headers_only || image->first_run_only)
			return 0;
		got = begin_second_run(image, header);
		if (got)
			return got;
	}
	if (image->first) {
		got = check_beside(image, header, &entry);
		if (got)
			return got;
	}
	*chunk = (struct image_chunk){ entry.offset, entry.length, image->position };
	image->reached = entry.offset + entry.length;
	image->position += entry.length;
	image->far = entry.length >= LARGE_BYTES;
	return 1;
}

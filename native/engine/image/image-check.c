// SPDX-License-Identifier: MIT
/* The calls that only read a ghost image: one checks that it is sound, and one lists its chunks. */
#include <errno.h>
#include <string.h>

#include "base/progress.h"
#include "image/image-read.h"

GK_PUBLIC int gk_check(int image_fd, struct gk_progress *progress, struct gk_report *report)
{
	struct image_chunk chunk;
	struct image image;
	int got;

	memset(report, 0, sizeof(*report));
	got = image_open(&image, image_fd, report);
	while (got >= 0 && (got = image_next(&image, &chunk)) > 0) {
		report->chunks += image.chunked;
		report->data_bytes += chunk.length;
		progress_add(progress, chunk.length);
		if (cancelled(progress))
			got = fail(report, -ECANCELED, chunk.position, "stopped at offset %llu of the image",
				   (unsigned long long)chunk.position);
	}
	image_close(&image);
	return got;
}

GK_PUBLIC int gk_chunks(int image_fd, uint64_t cursor, struct gk_extent *extents, uint32_t capacity,
			uint32_t *count, uint64_t *next, struct gk_report *report)
{
	struct image_chunk chunk;
	struct image image;
	int got;

	memset(report, 0, sizeof(*report));
	*count = 0;
	*next = 0;
	if (capacity == 0)
		return fail(report, -EINVAL, 0, "cannot list chunks into no room");
	got = image_open(&image, image_fd, report);
	if (got == 0 && cursor) {
		if (cursor < image.body || cursor > image.bytes)
			got = fail(report, -EINVAL, cursor, "no chunk begins at cursor %llu",
				   (unsigned long long)cursor);
		image.position = cursor;
	}
	while (got >= 0 && *count < capacity && (got = image_next(&image, &chunk)) > 0) {
		extents[(*count)++] = (struct gk_extent){ .offset = chunk.offset, .length = chunk.length };
		report->chunks += image.chunked;
		report->data_bytes += chunk.length;
	}
	if (got >= 0 && image.position < image.bytes)
		*next = image.position;
	image_close(&image);
	return got < 0 ? got : 0;
}

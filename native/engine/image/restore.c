// SPDX-License-Identifier: MIT
/*
 * Writes a file from a ghost image. Holes stay holes, large chunks are reflinked, and neighbouring
 * small chunks are written together.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "copy/copy.h"
#include "image/image-read.h"

#define RUN_PIECES 256

struct restore {
	struct image image;
	struct copier copier;
	struct gk_report *report;
	struct gk_progress *progress;
	/*
	 * The run: small chunks that touch each other in the file. Their bytes are in the image's
	 * window.
	 */
	uint64_t run_offset;
	uint64_t run_bytes;
	int run_pieces;
	struct iovec pieces[RUN_PIECES];
};

static int cannot_write(struct restore *restore, int error, uint64_t offset)
{
	return fail(restore->report, error, offset, "cannot write the file at offset %llu",
		    (unsigned long long)offset);
}

static int write_run(void *context)
{
	struct restore *restore = context;
	uint64_t bytes = restore->run_bytes;
	int pieces = restore->run_pieces, error;

	if (pieces == 0)
		return 0;
	restore->run_bytes = 0;
	restore->run_pieces = 0;
	error = writev_full(restore->copier.to, restore->pieces, pieces, restore->run_offset);
	if (error)
		return cannot_write(restore, error, restore->run_offset);
	restore->copier.used |= GK_COPY_READ_WRITE;
	restore->report->data_bytes += bytes;
	progress_add(restore->progress, bytes);
	return 0;
}

static int restore_small(struct restore *restore, const struct image_chunk *chunk)
{
	const unsigned char *bytes;
	int error = 0;

	if (restore->run_pieces == RUN_PIECES || chunk->offset != restore->run_offset + restore->run_bytes)
		error = write_run(restore);
	if (!error) /* before this reads the next window, it calls write_run by image->leaving */
		error = image_bytes(&restore->image, chunk->position, chunk->length, &bytes);
	if (error)
		return error;
	if (restore->run_pieces == 0)
		restore->run_offset = chunk->offset;
	restore->pieces[restore->run_pieces++] = (struct iovec){ (void *)bytes, chunk->length };
	restore->run_bytes += chunk->length;
	return 0;
}

static int restore_large(struct restore *restore, const struct image_chunk *chunk)
{
	struct copier *copier = &restore->copier;
	int error = write_run(restore);

	if (error)
		return error;
	error = copy_bytes(copier, chunk->position, chunk->offset, chunk->length);
	restore->report->data_bytes += copier->done;
	if (!error)
		return 0;
	if (copier->writing)
		return cannot_write(restore, error, chunk->offset + copier->done);
	if (error == -ECANCELED)
		return error;
	return fail(restore->report, error == -ENODATA ? -EBADMSG : error, chunk->position + copier->done,
		    "cannot read a chunk at offset %llu of the image",
		    (unsigned long long)(chunk->position + copier->done));
}

static int prepare_file(struct restore *restore)
{
	int fd = restore->copier.to;
	struct stat about;

	if (fstat(fd, &about) < 0)
		return fail(restore->report, -errno, 0, "cannot look at the file");
	if (!S_ISREG(about.st_mode) || about.st_size != 0)
		return fail(restore->report, -EINVAL, 0, "the file is not an empty regular file");
	/* The whole size is set before the first write, so that xfs preallocates nothing beyond it. */
	if (ftruncate(fd, (off_t)restore->image.size) < 0)
		return fail(restore->report, -errno, restore->image.size,
			    "cannot set the file's size to %llu", (unsigned long long)restore->image.size);
	return 0;
}

static int restore_chunks(struct restore *restore)
{
	struct image_chunk chunk;
	int got, error = 0;

	while (!error && (got = image_next(&restore->image, &chunk)) > 0) {
		restore->report->chunks += restore->image.chunked;
		if (cancelled(restore->progress))
			error = -ECANCELED;
		else if (chunk.length >= LARGE_BYTES)
			error = restore_large(restore, &chunk);
		else
			error = restore_small(restore, &chunk);
	}
	if (!error && got < 0)
		error = got;
	if (!error)
		error = write_run(restore);
	if (error == -ECANCELED)
		fail(restore->report, error, chunk.offset, "stopped at offset %llu of the file",
		     (unsigned long long)chunk.offset);
	return error;
}

GK_PUBLIC int gk_restore(int image_fd, int file_fd, struct gk_progress *progress, struct gk_report *report)
{
	struct restore restore = { .report = report, .progress = progress };
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	int error;

	memset(report, 0, sizeof(*report));
	if (!window)
		return fail(report, -ENOMEM, 0, "cannot restore a ghost");
	error = image_open(&restore.image, image_fd, report);
	if (!error) {
		copier_init(&restore.copier, image_fd, file_fd, window, progress);
		restore.image.leaving = write_run;
		restore.image.context = &restore;
		error = prepare_file(&restore);
	}
	if (!error)
		error = restore_chunks(&restore);
	report->ways = restore.copier.used;
	image_close(&restore.image);
	return error;
}

// SPDX-License-Identifier: MIT
/* A ghost image, written from front to end in one pass over the ghost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "dump.h"
#include "gather.h"
#include "io.h"
#include "progress.h"
#include "report.h"
#include "walk-ahead.h"

/*
 * The read engine has already read what it found: copy it while it is still in
 * the page cache rather than fetch a large file twice from a server.
 */
#define READ_CHUNK_BYTES (UINT64_C(64) << 20)

/* From here on 64 KiB alignment is under 2 % of padding, and copies run faster. */
#define WIDE_BYTES (UINT64_C(4) << 20)
#define WIDE_ALIGN (UINT64_C(64) << 10)

struct dump {
	struct walk walk;
	struct walk_ahead ahead;	/* over walk */
	struct walk zeroes;	/* over one data range at a time, when zeroes are looked for */
	struct copier copier;
	struct gather gather;
	struct earlier earlier;
	struct gk_report *report;
	struct gk_progress *progress;
	uint64_t size;
	uint64_t align;
	bool detect_zeroes;
	bool over;		/* the image may hold an earlier one */
};

struct dump_room {
	struct dump dump;
	unsigned char *window;
	unsigned char *earlier;	/* NULL until it is needed */
};

static int check_files(struct dump *dump);
static int dump_raw(struct dump *dump);
static int dump_chunks(struct dump *dump);
static int check_still_whole(struct dump *dump);
static int cut_off(struct dump *dump);

GK_PUBLIC int gk_dump(int ghost_fd, int image_fd, uint32_t engine, uint64_t size,
		      const void *header, uint64_t header_bytes, uint32_t flags,
		      struct gk_progress *progress, struct gk_report *report)
{
	struct dump_room *room = dump_room_new();
	int error;

	memset(report, 0, sizeof(*report));
	report->size = size;
	if (!room)
		return fail(report, -ENOMEM, 0, "cannot dump a ghost");
	error = dump_ghost(room, ghost_fd, image_fd, engine, size, header, header_bytes, flags,
			   progress, report);
	dump_room_free(room);
	return error;
}

struct dump_room *dump_room_new(void)
{
	struct dump_room *room = calloc(1, sizeof(*room));

	if (!room)
		return NULL;
	room->window = window_alloc(WINDOW_BYTES);
	if (room->window)
		return room;
	free(room);
	return NULL;
}

void dump_room_free(struct dump_room *room)
{
	if (room) {
		free(room->earlier);
		free(room->window);
	}
	free(room);
}

int dump_ghost(struct dump_room *room, int ghost_fd, int image_fd, uint32_t engine, uint64_t size,
	       const void *header, uint64_t header_bytes, uint32_t flags,
	       struct gk_progress *progress, struct gk_report *report)
{
	struct dump *dump = memset(&room->dump, 0, sizeof(room->dump));
	bool chunked = flags & GK_DUMP_CHUNKED;
	int error;

	memset(report, 0, sizeof(*report));
	report->size = size;
	dump->over = flags & GK_DUMP_OVER;
	if (dump->over && !room->earlier)
		room->earlier = window_alloc(EARLIER_BYTES);
	if (dump->over && !room->earlier)
		return fail(report, -ENOMEM, 0, "cannot compare with the earlier image");
	error = walk_open(&dump->walk, ghost_fd, engine, size, 0);
	if (error)
		return fail(report, error, 0, "cannot look for data in the ghost with engine %u in %llu bytes",
			    engine, (unsigned long long)size);
	error = walk_open(&dump->zeroes, ghost_fd, GK_ENGINE_READ, 0, 0);
	if (error)
		return fail(report, error, 0, "cannot look for zeroes");
	dump->ahead.walk = &dump->walk;
	copier_init(&dump->copier, ghost_fd, image_fd, room->window, progress);
	dump->walk.progress = dump->zeroes.progress = dump->progress = progress;
	dump->walk.read_limit = dump->zeroes.read_limit = READ_CHUNK_BYTES;
	dump->earlier.room = dump->over ? room->earlier : NULL;
	dump->copier.earlier = dump->gather.earlier = &dump->earlier;
	dump->detect_zeroes = flags & GK_DUMP_DETECT_ZEROES;
	dump->report = report;
	dump->size = size;
	dump->align = block_size(image_fd);
	dump->gather.from = ghost_fd;
	dump->gather.to = image_fd;
	dump->gather.window = room->window;

	error = check_files(dump);
	if (!error) {
		struct iovec piece = { (void *)header, header_bytes };

		error = writev_changed(image_fd, &piece, 1, 0, &dump->earlier);
		if (error)
			fail(report, error, 0, "cannot write the head of the image");
		dump->gather.position = header_bytes;
	}
	if (!error)
		error = chunked ? dump_chunks(dump) : dump_raw(dump);
	walk_ahead_end(&dump->ahead);
	if (!error)
		error = check_still_whole(dump);
	if (!error && dump->over)
		error = cut_off(dump);

	report->kept_bytes = dump->earlier.kept;
	report->image_bytes = dump->gather.position;
	report->engine = chunked ? dump->walk.engine : (uint32_t)GK_ENGINE_READ;
	report->fallbacks = dump->walk.fallbacks;
	report->ways = dump->copier.used;
	if (!error)
		snprintf(report->message, sizeof(report->message), "%s",
			 chunked ? dump->walk.why : "so small a file is copied whole");
	walk_close(&dump->walk);
	walk_close(&dump->zeroes);
	return error;
}

static int check_files(struct dump *dump)
{
	struct stat about;

	if (fstat(dump->copier.to, &about) < 0)
		return fail(dump->report, -errno, 0, "cannot look at the image");
	if (!S_ISREG(about.st_mode) || (about.st_size != 0 && !dump->over))
		return fail(dump->report, -EINVAL, 0, "the image is not an empty regular file");
	return check_still_whole(dump);
}

/* Holes are not read, so only this sees that one at the end has gone. */
static int check_still_whole(struct dump *dump)
{
	struct stat about;

	if (fstat(dump->copier.from, &about) < 0)
		return fail(dump->report, -errno, 0, "cannot look at the ghost");
	if ((uint64_t)about.st_size >= dump->size)
		return 0;
	return fail(dump->report, -ESTALE, (uint64_t)about.st_size,
		    "the ghost ends at offset %lld, before its size of %llu",
		    (long long)about.st_size, (unsigned long long)dump->size);
}

/* What an earlier image had behind the end of this one. */
static int cut_off(struct dump *dump)
{
	struct stat about;

	if (fstat(dump->copier.to, &about) == 0 &&
	    ((uint64_t)about.st_size == dump->gather.position ||
	     ftruncate(dump->copier.to, (off_t)dump->gather.position) == 0))
		return 0;
	return fail(dump->report, -errno, dump->gather.position, "cannot cut off the earlier image");
}

/* What is said about a read or write that failed somewhere around offset. */
static int explain(struct dump *dump, int error, bool writing, uint64_t offset)
{
	walk_ahead_end(&dump->ahead);
	if (error == -ENODATA) {
		/* It ended where we read, and may since have grown again. */
		error = check_still_whole(dump);
		if (error)
			return error;
		return fail(dump->report, -ESTALE, offset,
			    "the ghost ended at offset %llu while it was copied",
			    (unsigned long long)offset);
	}
	if (error == -ECANCELED)
		return fail(dump->report, error, offset, "stopped at offset %llu of the ghost",
			    (unsigned long long)offset);
	if (error == -EOVERFLOW)
		return fail(dump->report, error, offset,
			    "more than %llu GiB of holes would be read (%s)",
			    (unsigned long long)(GK_READ_HOLES_MAX >> 30), dump->walk.why);
	if (writing)
		return fail(dump->report, error, dump->gather.position,
			    "cannot write the image at offset %llu",
			    (unsigned long long)dump->gather.position);
	return fail(dump->report, error, offset, "cannot read the ghost at offset %llu",
		    (unsigned long long)offset);
}

static int copy_to_image(struct dump *dump, uint64_t offset, uint64_t length)
{
	struct copier *copier = &dump->copier;
	int error = copy_bytes(copier, offset, dump->gather.position, length);

	dump->gather.position += copier->done;
	dump->report->data_bytes += copier->done;
	return error ? explain(dump, error, copier->writing, offset + copier->done) : 0;
}

static int dump_raw(struct dump *dump)
{
	return copy_to_image(dump, 0, dump->size);
}

static int flush(struct dump *dump)
{
	struct gather *gather = &dump->gather;
	uint64_t bytes = gather->data_bytes;
	uint32_t chunks = gather->chunks;
	int error = gather_flush(gather);

	if (error)
		return explain(dump, error, gather->writing, gather->run_offset);
	if (chunks)
		dump->copier.used |= GK_COPY_READ_WRITE;
	dump->report->data_bytes += bytes;
	progress_add(dump->progress, bytes);
	if (cancelled(dump->progress))
		return explain(dump, -ECANCELED, false, gather->run_offset);
	return 0;
}

static int dump_small(struct dump *dump, const struct gk_extent *extent)
{
	int error;

	while (!gather_add(&dump->gather, extent->offset, extent->length, &error)) {
		error = flush(dump);
		if (error)
			return error;
	}
	return error ? explain(dump, error, false, dump->gather.run_offset) : 0;
}

static int dump_large(struct dump *dump, const struct gk_extent *extent)
{
	static const unsigned char zero[2 * WIDE_ALIGN];
	uint64_t align = extent->length >= WIDE_BYTES ? WIDE_ALIGN : dump->align;
	unsigned char header[CHUNK_HEADER_ROOM];
	struct iovec pieces[2] = { { header, 0 }, { (void *)zero, 0 } };
	uint64_t zeroes;
	int error = flush(dump);

	if (error)
		return error;
	pieces[0].iov_len = encode_padded_chunk(header, extent->offset, extent->length,
						dump->gather.position, align, &zeroes);
	pieces[1].iov_len = zeroes;
	zeroes += pieces[0].iov_len;
	error = writev_changed(dump->copier.to, pieces, 2, dump->gather.position, &dump->earlier);
	if (error)
		return explain(dump, error, true, extent->offset);
	dump->gather.position += zeroes;
	return copy_to_image(dump, extent->offset, extent->length);
}

static int dump_data(struct dump *dump, const struct gk_extent *extent)
{
	dump->report->chunks++;
	return extent->length >= LARGE_BYTES ? dump_large(dump, extent) : dump_small(dump, extent);
}

/* What of a data range is not zero. */
static int dump_nonzero(struct dump *dump, const struct gk_extent *extent)
{
	struct gk_extent piece;
	int got, error;

	dump->zeroes.pos = extent->offset;
	dump->zeroes.size = extent->offset + extent->length;
	while ((got = walk_next(&dump->zeroes, &piece)) > 0) {
		error = dump_data(dump, &piece);
		if (error)
			return error;
	}
	return got < 0 ? explain(dump, got, false, dump->zeroes.pos) : 0;
}

static int dump_chunks(struct dump *dump)
{
	struct gk_extent extent;
	int got;

	while ((got = walk_ahead_next(&dump->ahead, &extent)) > 0) {
		/* The read engine has tested for zero already. */
		bool test = dump->detect_zeroes && dump->ahead.engine != GK_ENGINE_READ;
		int error = 0;

		if (extent.kind == GK_EXTENT_UNWRITTEN)
			dump->report->unwritten_bytes += extent.length;
		else
			error = test ? dump_nonzero(dump, &extent) : dump_data(dump, &extent);
		if (error)
			return error;
	}
	if (got < 0)
		return explain(dump, got, false, dump->walk.pos);
	return flush(dump);
}

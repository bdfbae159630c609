// SPDX-License-Identifier: MIT
/* The body of a ghost image, written from front to end in one pass over the ghost. */
#include <errno.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/progress.h"
#include "base/report.h"
#include "copy/copy.h"
#include "image/image-body.h"
#include "map/walk.h"

/*
 * For chunks of this size or more, alignment to 64 KiB costs less than 2 % in padding, and copies
 * run faster.
 */
#define WIDE_BYTES (UINT64_C(4) << 20)
#define WIDE_ALIGN (UINT64_C(64) << 10)

/* A ghost that lost a hole at its end is noticed only here, because holes are not read. */
int check_still_whole(struct dump *dump)
{
	struct stat about;

	if (fstat(dump->copier.from, &about) < 0)
		return fail(dump->report, -errno, 0, "cannot look at the ghost");
	if ((uint64_t)about.st_size >= dump->size)
		return 0;
	return fail(dump->report, -ESTALE, (uint64_t)about.st_size,
		    "the ghost ends at offset %lld, before its size of %llu", (long long)about.st_size,
		    (unsigned long long)dump->size);
}

/* Report a read or write that failed somewhere around offset. */
static int explain(struct dump *dump, int error, bool writing, uint64_t offset)
{
	walk_ahead_end(&dump->ahead);
	if (error == -ENODATA) {
		/* The ghost ended where we read. It may have grown again since then. */
		error = check_still_whole(dump);
		if (error)
			return error;
		return fail(dump->report, -ESTALE, offset,
			    "the ghost ended at offset %llu while it was copied", (unsigned long long)offset);
	}
	if (error == -ECANCELED)
		return fail(dump->report, error, offset, "stopped at offset %llu of the ghost",
			    (unsigned long long)offset);
	if (error == -EOVERFLOW)
		return fail(dump->report, error, offset, "more than %llu GiB of holes would be read (%s)",
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
	pieces[0].iov_len = encode_padded_chunk(header, extent->offset, extent->length, dump->gather.position,
						align, &zeroes);
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

/* Dump the parts of a data range that are not zero. */
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

int dump_body(struct dump *dump, bool chunked)
{
	return chunked ? dump_chunks(dump) : dump_raw(dump);
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/progress.h"
#include "base/report.h"
#include "copy/copy.h"
#include "image/image-chunks.h"

/*
 * For chunks of this size or more, alignment to 64 KiB costs less than 2 % in padding, and copies
 * run faster.
 */
#define WIDE_BYTES (UINT64_C(4) << 20)

/* Gaps longer than GAP_MAX are filled by chunks without data, each of this length. */
#define FILLER_BYTES (UINT64_C(64) << 10)

/* Only this check notices that a hole at the ghost's end is gone, because holes are not read. */
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

int explain(struct dump *dump, int error, bool writing, uint64_t offset)
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

int copy_to_image(struct dump *dump, uint64_t offset, uint64_t length)
{
	struct copier *copier = &dump->copier;
	int error = copy_bytes(copier, offset, dump->gather.position, length);

	dump->gather.position += copier->done;
	dump->report->data_bytes += copier->done;
	return error ? explain(dump, error, copier->writing, offset + copier->done) : 0;
}

int flush_chunks(struct dump *dump)
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
		error = flush_chunks(dump);
		if (error)
			return error;
	}
	return error ? explain(dump, error, false, dump->gather.run_offset) : 0;
}

uint64_t end_of_image(const struct dump *dump)
{
	return dump->gather.position + dump->gather.image_bytes;
}

/* Write a header, and zeroes as its padding, at the end of the image. */
static int write_header(struct dump *dump, unsigned char *header, uint64_t bytes, uint64_t zeroes,
			uint64_t offset)
{
	static const unsigned char zero[2 * WIDE_ALIGN];
	struct iovec pieces[2] = { { header, bytes }, { (void *)zero, zeroes } };
	int error = writev_changed(dump->copier.to, pieces, 2, dump->gather.position, &dump->earlier);

	if (error)
		return explain(dump, error, true, offset);
	dump->gather.position += bytes + zeroes;
	return 0;
}

static int dump_large(struct dump *dump, const struct gk_extent *extent)
{
	uint64_t align = extent->length >= WIDE_BYTES ? WIDE_ALIGN : dump->align;
	unsigned char header[CHUNK_HEADER_ROOM];
	uint64_t zeroes, bytes;
	int error = flush_chunks(dump);

	if (error)
		return error;
	bytes = encode_padded_chunk(header, extent->offset, extent->length, dump->gather.position, align,
				    &zeroes);
	error = write_header(dump, header, bytes, zeroes, extent->offset);
	return error ? error : copy_to_image(dump, extent->offset, extent->length);
}

int append_chunk(struct dump *dump, const struct gk_extent *extent)
{
	dump->report->chunks++;
	return extent->length >= LARGE_BYTES ? dump_large(dump, extent) : dump_small(dump, extent);
}

/*
 * Write chunks without data until no more than GAP_MAX of `room` bytes are left, which the padding
 * of one header can fill.
 */
static int fill_gap(struct dump *dump, uint64_t offset, uint64_t room)
{
	unsigned char header[CHUNK_HEADER_ROOM];
	uint64_t bytes, zeroes;
	int error = flush_chunks(dump);

	for (; room > GAP_MAX && !error; room -= FILLER_BYTES) {
		bytes = encode_chunk_filling(header, offset, 0, FILLER_BYTES, &zeroes);
		error = write_header(dump, header, bytes, zeroes, offset);
	}
	return error;
}

int place_chunk(struct dump *dump, const struct gk_extent *extent, uint64_t position)
{
	unsigned char header[CHUNK_HEADER_ROOM];
	uint64_t room = position - end_of_image(dump), zeroes, bytes;
	int error;

	if (position < end_of_image(dump))
		return 1;
	bytes = encode_chunk(header, extent->offset, extent->length);
	if (room == bytes && extent->length < LARGE_BYTES)
		return append_chunk(dump, extent);
	bytes = room > GAP_MAX ? (room - GAP_MAX + FILLER_BYTES - 1) / FILLER_BYTES * FILLER_BYTES : 0;
	bytes = encode_chunk_filling(header, extent->offset, extent->length, room - bytes, &zeroes);
	if (!bytes)
		return 1;
	error = fill_gap(dump, extent->offset, room);
	if (!error)
		error = write_header(dump, header, bytes, zeroes, extent->offset);
	dump->report->chunks++;
	return error ? error : copy_to_image(dump, extent->offset, extent->length);
}

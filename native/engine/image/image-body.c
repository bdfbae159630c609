// SPDX-License-Identifier: MIT
/* The body of a ghost image, in one pass over the ghost: which range goes where. */
#include "image/image-body.h"
#include "base/progress.h"
#include "image/image-chunks.h"
#include "map/walk.h"

/*
 * Data stays where the earlier image has it if the gap in front of it is no longer than the padding
 * of its header plus one part in WASTE_SHARE of the data. WASTE_BYTES is the padding of small data.
 * So gaps make an image longer by no more than that, however often it is dumped over.
 */
#define WASTE_BYTES (UINT64_C(4) << 10)
#define WASTE_SHARE 4

static int dump_raw(struct dump *dump)
{
	int error = flush_chunks(dump);

	return error ? error : copy_to_image(dump, 0, dump->size);
}

/* Whether a range fits in front of the next place, with room for the header of that place. */
static bool fits(const struct dump *dump, const struct gk_extent *extent)
{
	const struct image_chunk *place = &dump->places.next;
	unsigned char header[CHUNK_HEADER_ROOM];
	uint64_t end = end_of_image(dump) + extent->length, zeroes;

	if (extent->length >= LARGE_BYTES)
		return end + 3 * WIDE_ALIGN <= place->position;
	end += encode_chunk(header, extent->offset, extent->length);
	return end < place->position &&
	       (place->position - end > GAP_MAX ||
		encode_chunk_filling(header, place->offset, place->length, place->position - end, &zeroes));
}

/*
 * Dump a range that does not stay at a place of the earlier image: in front of the next place if it
 * fits there, else it is put off to the end.
 */
static int dump_elsewhere(struct dump *dump, const struct gk_extent *extent)
{
	struct places *places = &dump->places;

	if (places->next.length && !fits(dump, extent)) {
		if (places_put_off(places, extent->offset, extent->length))
			return 0;
		places_end(places);
	}
	return append_chunk(dump, extent);
}

/* The length of the first part of a range: a part lies in the next place as a whole, or not at all. */
static uint64_t part_length(const struct places *places, const struct gk_extent *extent)
{
	uint64_t start = places->next.offset, end = start + places->next.length;

	if (!places->next.length || extent->offset + extent->length <= start)
		return extent->length;
	if (extent->offset < start)
		return start - extent->offset;
	return places->last || extent->offset + extent->length <= end ? extent->length : end - extent->offset;
}

/* Whether the gap in front of a range would be too long if the range stayed at position. */
static bool wastes(const struct dump *dump, const struct gk_extent *extent, uint64_t position)
{
	uint64_t padding = extent->length < LARGE_BYTES ? WASTE_BYTES : 2 * dump->align;

	return position > end_of_image(dump) + padding + extent->length / WASTE_SHARE;
}

/* Dump a part of a range, which lies in the next place as a whole, or not at all. */
static int dump_part(struct dump *dump, const struct gk_extent *extent)
{
	const struct image_chunk *place = &dump->places.next;
	struct gk_extent first = *extent, rest = *extent;
	uint64_t position = place->position + extent->offset - place->offset;
	int error;

	if (!place->length || extent->offset < place->offset || wastes(dump, extent, position))
		return dump_elsewhere(dump, extent);
	error = place_chunk(dump, extent, position);
	if (error <= 0)
		return error;
	/*
	 * No header fills the room in front of the data exactly. So the first block goes elsewhere,
	 * and its room is added to the room for the header of the rest.
	 */
	first.length = dump->align < extent->length ? dump->align : extent->length;
	rest.offset += first.length;
	rest.length -= first.length;
	error = dump_elsewhere(dump, &first);
	if (error || rest.length == 0)
		return error;
	error = place->length ? place_chunk(dump, &rest, position + first.length) : 1;
	return error > 0 ? dump_elsewhere(dump, &rest) : error;
}

static int dump_data(struct dump *dump, const struct gk_extent *extent)
{
	struct gk_extent part = *extent;
	int error = 0;

	while (part.length > 0 && !error) {
		places_skip(&dump->places, part.offset);
		part.length = part_length(&dump->places, &part);
		error = dump_part(dump, &part);
		part.offset += part.length;
		part.length = extent->offset + extent->length - part.offset;
	}
	return error;
}

/* Dump the ranges that were put off. Their offsets ascend. */
static int dump_put_off(struct dump *dump)
{
	uint32_t i;
	int error = 0;

	places_end(&dump->places);
	for (i = 0; i < dump->places.put_offs && !error; i++) {
		const struct put_off *range = &dump->places.put_off[i];

		error = append_chunk(dump,
				     &(struct gk_extent){ range->offset, range->length, GK_EXTENT_DATA, 0 });
	}
	return error;
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
	int got, error;

	while ((got = walk_ahead_next(&dump->ahead, &extent)) > 0) {
		/* The read engine gives no blocks of zeroes, so its extents need no test. */
		bool test = dump->detect_zeroes && dump->ahead.engine != GK_ENGINE_READ;

		error = 0;
		if (extent.kind == GK_EXTENT_UNWRITTEN)
			dump->report->unwritten_bytes += extent.length;
		else
			error = test ? dump_nonzero(dump, &extent) : dump_data(dump, &extent);
		if (error)
			return error;
	}
	if (got < 0)
		return explain(dump, got, false, dump->walk.pos);
	error = dump_put_off(dump);
	return error ? error : flush_chunks(dump);
}

int dump_body(struct dump *dump, bool chunked)
{
	return chunked ? dump_chunks(dump) : dump_raw(dump);
}

// SPDX-License-Identifier: MIT
#include <errno.h>

#include "base/io.h"
#include "copy/earlier.h"
#include "image/gather.h"

/* A gap of at most this size between two chunks is read with them: another call costs more. */
#define GAP_BYTES (UINT64_C(16) << 10)

static int read_run(struct gather *gather)
{
	int64_t got = read_full(gather->from, gather->window + gather->run_at, gather->run_bytes,
				gather->run_offset);

	gather->writing = false;
	if (got < 0)
		return (int)got;
	return (uint64_t)got < gather->run_bytes ? -ENODATA : 0;
}

void gather_head(struct gather *gather, const void *head, uint64_t length)
{
	gather->pieces[gather->count++] = (struct iovec){ (void *)head, length };
	gather->image_bytes += length;
}

bool gather_add(struct gather *gather, uint64_t offset, uint64_t length, int *error)
{
	uint64_t end = gather->run_offset + gather->run_bytes;
	uint64_t used = gather->run_at + gather->run_bytes;
	bool joins = gather->run_bytes > 0 && offset - end <= GAP_BYTES;
	struct iovec *pieces = &gather->pieces[gather->count];
	unsigned char *header = gather->headers[gather->chunks];

	*error = 0;
	if (gather->chunks == GATHER_CHUNKS || used + (joins ? offset - end : 0) + length > WINDOW_BYTES)
		return false;
	if (joins) {
		gather->run_bytes = offset + length - gather->run_offset;
	} else {
		if (gather->run_bytes > 0)
			*error = read_run(gather);
		gather->run_at = used;
		gather->run_offset = offset;
		gather->run_bytes = length;
	}
	pieces[0].iov_base = header;
	pieces[0].iov_len = encode_chunk(header, offset, length);
	pieces[1].iov_base = gather->window + gather->run_at + (offset - gather->run_offset);
	pieces[1].iov_len = length;
	gather->data_bytes += length;
	gather->image_bytes += pieces[0].iov_len + length;
	gather->chunks++;
	gather->count += 2;
	return true;
}

int gather_flush(struct gather *gather)
{
	int error;

	if (gather->count == 0)
		return 0;
	error = read_run(gather);
	if (error)
		return error;
	gather->writing = true;
	error = writev_changed(gather->to, gather->pieces, gather->count, gather->position, gather->earlier);
	gather->position += gather->image_bytes;
	gather->data_bytes = gather->image_bytes = 0;
	gather->run_at = gather->run_bytes = 0;
	gather->chunks = 0;
	gather->count = 0;
	return error;
}

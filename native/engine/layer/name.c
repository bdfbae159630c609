// SPDX-License-Identifier: MIT
/* The name of a layer is the digest of its map. */
#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "layer/name.h"

/*
 * Read the whole map into the hash that is its name. Also copy its head, and put all bytes behind the
 * head into the hash `records`, unless that is NULL.
 */
static int read_map(int map_fd, struct gk_name *name, unsigned char head[LAYER_HEAD_BYTES],
		    blake3_hasher *records, struct gk_report *report)
{
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	uint64_t at = 0;
	blake3_hasher all;
	int64_t got;

	if (!window)
		return fail(report, -ENOMEM, 0, "cannot name a layer");
	blake3_hasher_init(&all);
	do {
		size_t behind = at ? 0 : LAYER_HEAD_BYTES;

		got = read_full(map_fd, window, WINDOW_BYTES, at);
		if (got < 0)
			return fail(report, (int)got, at, "cannot read the map at offset %llu",
				    (unsigned long long)at);
		blake3_hasher_update(&all, window, (size_t)got);
		if (behind > (size_t)got)
			behind = (size_t)got;
		if (at == 0)
			memcpy(head, window, behind);
		if (records)
			blake3_hasher_update(records, window + behind, (size_t)got - behind);
		at += (uint64_t)got;
	} while ((uint64_t)got == WINDOW_BYTES);
	blake3_hasher_finalize(&all, name->bytes, sizeof(name->bytes));
	report->image_bytes = at;
	return 0;
}

int name_written(int map_fd, const unsigned char head[LAYER_HEAD_BYTES], const blake3_hasher *records,
		 struct gk_name *name, struct gk_report *report)
{
	unsigned char found_head[LAYER_HEAD_BYTES] = { 0 }, written[DIGEST_BYTES], found[DIGEST_BYTES];
	blake3_hasher again;
	int error;

	blake3_hasher_init(&again);
	error = read_map(map_fd, name, found_head, &again, report);
	if (error)
		return error;
	blake3_hasher_finalize(records, written, sizeof(written));
	blake3_hasher_finalize(&again, found, sizeof(found));
	if (memcmp(head, found_head, LAYER_HEAD_BYTES) || memcmp(written, found, sizeof(found)))
		return fail(report, -EIO, 0, "the map that was written cannot be read again as it was");
	return 0;
}

GK_PUBLIC int gk_layer_name(int map_fd, struct gk_name *name, struct gk_report *report)
{
	unsigned char head[LAYER_HEAD_BYTES];

	memset(report, 0, sizeof(*report));
	return read_map(map_fd, name, head, NULL, report);
}

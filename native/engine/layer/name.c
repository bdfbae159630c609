// SPDX-License-Identifier: MIT
/* The name of a layer is the digest of its map. */
#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/report.h"
#include "blake3/blake3.h"

GK_PUBLIC int gk_layer_name(int map_fd, struct gk_name *name, struct gk_report *report)
{
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	blake3_hasher hasher;
	int64_t got;

	memset(report, 0, sizeof(*report));
	if (!window)
		return fail(report, -ENOMEM, 0, "cannot name a layer");
	blake3_hasher_init(&hasher);
	do {
		got = read_full(map_fd, window, WINDOW_BYTES, report->image_bytes);
		if (got < 0)
			return fail(report, (int)got, report->image_bytes,
				    "cannot read the map at offset %llu",
				    (unsigned long long)report->image_bytes);
		blake3_hasher_update(&hasher, window, (size_t)got);
		report->image_bytes += (uint64_t)got;
	} while ((uint64_t)got == WINDOW_BYTES);
	blake3_hasher_finalize(&hasher, name->bytes, sizeof(name->bytes));
	return 0;
}

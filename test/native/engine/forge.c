// SPDX-License-Identifier: MIT
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "forge.h"
#include "tap.h"

unsigned char forged[2 << 20];
uint32_t forged_bytes;

void start(uint64_t size)
{
	forged_bytes = make_head(forged, size, true);
}

void put(const void *bytes, uint32_t length)
{
	memcpy(forged + forged_bytes, bytes, length);
	forged_bytes += length;
}

void put_entry(const void *bytes, uint32_t length)
{
	put(&length, 4);
	put(bytes, length);
}

/* len and off are below 128, so each takes one byte. */
void put_chunk(unsigned char length, unsigned char offset)
{
	const unsigned char entry[4] = { 8, length, 16, offset };

	put_entry(entry, 4);
	memset(forged + forged_bytes, 'd', length);
	forged_bytes += length;
}

int verdict(const struct place *place, struct gk_report *report)
{
	int image = ghost_in(place), file = ghost_in(place);
	struct gk_extent extents[3];
	struct gk_report other;
	uint64_t next = 0;
	uint32_t count;
	int error, restored, listed;

	if (pwrite(image, forged, forged_bytes, 0) != (ssize_t)forged_bytes)
		wrong("write: %m");
	error = gk_check(image, NULL, report);
	restored = gk_restore(image, file, NULL, &other);
	expect(restored == error, "check %d %s, restore %d %s", error, report->message, restored,
	       other.message);
	do
		listed = gk_chunks(image, next, extents, 3, &count, &next, &other);
	while (!listed && next);
	/* A list that goes on at a cursor does not know the chunks before that cursor. */
	expect(listed == error || (error && !listed), "check %d, chunks %d", error, listed);
	close(image);
	close(file);
	return error;
}

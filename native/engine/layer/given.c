// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/report.h"
#include "layer/given.h"
#include "layer/little-endian.h"

static int bad(struct given *given, uint64_t position, const char *what)
{
	return fail(given->report, -EBADMSG, position, "%s at offset %llu of the record of what was given up",
		    what, (unsigned long long)position);
}

static int read_record(struct given *given, void *to, uint64_t length, uint64_t position)
{
	int64_t got = read_full(given->fd, to, length, position);

	if (got < 0)
		return fail(given->report, (int)got, position,
			    "cannot read the record of what was given up at offset %llu",
			    (unsigned long long)position);
	return (uint64_t)got < length ? bad(given, position, "it is cut short") : 0;
}

static int read_head(struct given *given, uint64_t bytes)
{
	unsigned char head[GIVEN_HEAD_BYTES];
	int error = read_record(given, head, sizeof(head), 0);

	if (error)
		return error;
	if (memcmp(head, GIVEN_MAGIC, 8))
		return bad(given, 0, "no record");
	given->ranges = get_le(head + 8, 8);
	given->left = get_le(head + 16, 8);
	given->takers = (uint32_t)get_le(head + 24, 4);
	if (get_le(head + 28, 4))
		return bad(given, 28, "a record of another version");
	if (given->left > given->units || given->ranges > given->left)
		return bad(given, 8, "more than the ghost has units");
	if (bytes < GIVEN_HEAD_BYTES || (bytes - GIVEN_HEAD_BYTES) % GIVEN_RANGE_BYTES ||
	    (bytes - GIVEN_HEAD_BYTES) / GIVEN_RANGE_BYTES != given->ranges)
		return bad(given, 8, "another number of ranges than there are");
	return given->left && !given->ranges ? bad(given, 16, "fewer ranges than the head says") : 0;
}

static int parse(struct given *given, const unsigned char *bytes, uint64_t position)
{
	uint64_t first = get_le(bytes, 8), count = get_le(bytes + 8, 8);

	if (first < given->end)
		return bad(given, position, "a range that is not behind the one before it");
	if (count == 0 || first > given->units || count > given->units - first)
		return bad(given, position, "a range that passes the ghost's size");
	if (count > given->left)
		return bad(given, position, "more units than the head says");
	given->first = first;
	given->end = first + count;
	given->left -= count;
	given->taker = (uint32_t)get_le(bytes + 16, 4);
	if (given->taker == 0 || given->taker > given->takers)
		return bad(given, position, "an unknown taker");
	return get_le(bytes + 20, 4) ? bad(given, position, "a range of another version") : 0;
}

static int step(struct given *given)
{
	uint64_t index = given->next, left = given->ranges - index;
	uint64_t position = GIVEN_HEAD_BYTES + index * GIVEN_RANGE_BYTES;
	int error;

	if (index >= given->window_first + given->window_ranges) {
		given->window_ranges = 0;
		left = left < GIVEN_WINDOW_RANGES ? left : GIVEN_WINDOW_RANGES;
		error = read_record(given, given->window, left * GIVEN_RANGE_BYTES, position);
		if (error)
			return error;
		given->window_first = index;
		given->window_ranges = left;
	}
	given->next++;
	error = parse(given, given->window + (index - given->window_first) * GIVEN_RANGE_BYTES, position);
	if (!error && given->next == given->ranges && given->left)
		return bad(given, 16, "fewer units than the head says");
	return error;
}

int given_open(struct given *given, const struct gk_level *from, uint64_t size, struct gk_report *report)
{
	struct stat about;

	memset(given, 0, sizeof(*given));
	given->fd = (int)from->given_fd;
	given->report = report;
	given->below = from->given_below;
	given->units = size / UNIT_BYTES + !!(size % UNIT_BYTES);
	if (given->fd < 0)
		return 0;
	if (fstat(given->fd, &about) < 0)
		return fail(report, -errno, 0, "cannot look at the record of what was given up");
	if (!S_ISREG(about.st_mode))
		return fail(report, -EINVAL, 0, "the record of what was given up is not a regular file");
	given->window = malloc(GIVEN_WINDOW_RANGES * GIVEN_RANGE_BYTES);
	if (!given->window)
		return fail(report, -ENOMEM, 0, "cannot read the record of what was given up");
	return read_head(given, (uint64_t)about.st_size);
}

int given_has(struct given *given, uint64_t unit)
{
	int error;

	while (given->fd >= 0 && given->end <= unit && given->next < given->ranges) {
		error = step(given);
		if (error)
			return error;
	}
	if (given->first <= unit && unit < given->end)
		return 1;
	if (unit >= given->below)
		return 0;
	given->taker = 0;
	return 1;
}

void given_close(struct given *given)
{
	free(given->window);
	given->window = NULL;
}

// SPDX-License-Identifier: MIT
/* Checks mappings: they must show the same bytes, at the same address, of the same file. */
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "io.h"
#include "kind.h"
#include "mapping.h"
#include "pattern.h"
#include "workload.h"

/*
 * Check the data through the mapping. Holes are not touched, because on tmpfs looking at a hole through a
 * shared mapping fills the hole.
 */
static void check_bytes(FILE *to, const struct ghost *ghost)
{
	const struct kind *kind = &ghost->kind;
	uint64_t seed = pattern_seed(kind->name), at = 0;
	int64_t wrong = -1;
	struct range range;

	while (wrong < 0 && next_data(kind, &at, &range))
		wrong = pattern_compare(seed, range.offset, ghost->map + range.offset, range.length);
	result(to, kind->name, "mapping", wrong < 0, "byte %lld differs", (long long)wrong);
}

/* Write through the descriptor and read through the mapping, then write and read the other way round. */
static void check_with_descriptor(FILE *to, const struct ghost *ghost)
{
	uint64_t at = ghost->kind.lead + 12345;
	volatile uint8_t *mapped = ghost->map + at;
	uint8_t original = *mapped, changed = (uint8_t)~original, seen = original;
	int err;

	err = write_all(ghost->fd, &changed, 1, at);
	result(to, ghost->kind.name, "mapping sees writes", !err && *mapped == changed,
	       "wrote %02x to the descriptor, the mapping has %02x", changed, *mapped);
	*mapped = original;
	err = read_all(ghost->fd, &seen, 1, at);
	result(to, ghost->kind.name, "descriptor sees stores", !err && seen == original,
	       "stored %02x in the mapping, the descriptor has %02x", original, seen);
	write_all(ghost->fd, &original, 1, at);
}

static void check_with_second_mapping(FILE *to, const struct ghost *ghost)
{
	volatile uint8_t *one = ghost->map + ghost->kind.size / 2 + 12345;
	volatile uint8_t *other = ghost->map2 + 12345;
	uint8_t original = *one, changed = (uint8_t)~original;

	*one = changed;
	result(to, ghost->kind.name, "mappings are one file", *other == changed,
	       "stored %02x in one, the other has %02x", changed, *other);
	*one = original;
}

void check_mapping(FILE *to, const struct ghost *ghost)
{
	check_bytes(to, ghost);
	if (ghost->fd >= 0)
		check_with_descriptor(to, ghost);
	if (ghost->map2)
		check_with_second_mapping(to, ghost);
}

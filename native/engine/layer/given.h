/* SPDX-License-Identifier: MIT */
/*
 * A walk over the record of what a layer has given up, which is taken for hostile input. It reads the
 * record in pieces, however long it is. When a function returns an error, its message is in the report.
 */
#ifndef GK_GIVEN_H
#define GK_GIVEN_H

#include <stdbool.h>

#include "ghostkeep-layer.h"
#include "layer/layer-format.h"

#define GIVEN_WINDOW_RANGES 1024

struct given {
	int fd; /* -1: there is no record */
	struct gk_report *report;
	uint64_t below;	 /* all units below it were given up */
	uint64_t ranges; /* how many ranges the record has */
	uint64_t units;	 /* how many units the ghost has */
	uint64_t left;	 /* units of the record that are in ranges behind the current one */
	uint32_t takers;
	uint64_t next; /* index of the range behind the current one */
	uint64_t first, end;
	uint32_t taker; /* of the current range */
	unsigned char *window;
	uint64_t window_first, window_ranges;
};

/* size is the size of the ghost in bytes. */
int given_open(struct given *given, const struct gk_level *from, uint64_t size, struct gk_report *report);

/*
 * Was a unit given up? Returns 1, 0, or a negative errno. After 1, given->taker says to whom; it is 0
 * where only given->below says that the unit was given up. Units are asked for in ascending order.
 */
int given_has(struct given *given, uint64_t unit);

void given_close(struct given *given);

#endif

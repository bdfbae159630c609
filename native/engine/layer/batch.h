/* SPDX-License-Identifier: MIT */
/* Some units of a ghost, whose bytes are read and digested on all processors. */
#ifndef GK_BATCH_H
#define GK_BATCH_H

#include <stdbool.h>

#include "base/report.h"
#include "layer/layer-format.h"

#define BATCH_UNITS 64

/* Bytes of a unit that lie together in a file. */
struct piece {
	int fd;
	uint32_t at; /* in the unit */
	uint32_t length;
	uint64_t position;
};

struct unit {
	uint64_t number;
	uint32_t first_piece, pieces;
	uint32_t length; /* bytes in front of the ghost's end: those behind it count as zero */
	bool known;	 /* blocks and digest come from a map, and the bytes must match them */
	/* Not read: it is in a parent that is not looked at, was given up, or is written already. */
	bool skipped;
	bool given; /* the first level has given it up */
	uint16_t blocks;
	unsigned char digest[DIGEST_BYTES];
	unsigned char *bytes; /* UNIT_BYTES */
	int error;
};

struct batch {
	uint32_t count, pieces;
	struct unit units[BATCH_UNITS];
	struct piece *places;
	unsigned char *room;
};

int batch_init(struct batch *batch, struct gk_report *report);
void batch_free(struct batch *batch);
void batch_clear(struct batch *batch);

/* Whether there is room for another unit, with as many pieces as a unit can have. */
bool batch_has_room(const struct batch *batch);

void batch_add_piece(struct batch *batch, int fd, uint64_t position, uint32_t at, uint32_t length);

/* Read the units on all processors. Units that are not known get their blocks and digest. */
int batch_read(struct batch *batch, struct gk_report *report);

/* The same for units whose content is not checked, because it is only compared. */
int batch_read_unchecked(struct batch *batch, struct gk_report *report);

#endif

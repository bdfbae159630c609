/* SPDX-License-Identifier: MIT */
/*
 * A walk over a layer's map, which is taken for hostile input. It reads the map in pieces, however
 * long it is. When a function returns an error, its message is in the report.
 */
#ifndef GK_MAP_READ_H
#define GK_MAP_READ_H

#include <stdbool.h>

#include "base/report.h"
#include "layer/layer-format.h"

#define MAP_WINDOW_RECORDS 1024

struct record {
	uint64_t unit;
	uint16_t blocks;
	uint16_t where;
	uint64_t position; /* where the unit's blocks lie in the data; only for RECORD_HERE */
	unsigned char digest[DIGEST_BYTES];
};

struct map {
	int fd;
	struct gk_report *report;
	uint64_t size;	     /* of the ghost */
	uint64_t records;    /* how many records the map has */
	uint64_t data_bytes; /* how many bytes of data belong to the map */
	uint64_t next;	     /* index of the record behind the current one */
	uint64_t data_next;  /* where the data of the next record begins */
	bool ended;
	struct record current;
	unsigned char *window;
	uint64_t window_first, window_records;
};

/* Opens the walk at the first record. */
int map_open(struct map *map, int fd, struct gk_report *report);

/* Go on to the next record. Afterwards map->ended or map->current says what is there. */
int map_step(struct map *map);

void map_close(struct map *map);

#endif

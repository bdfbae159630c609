/* SPDX-License-Identifier: MIT */
/* Layers of one ghost in memory, made byte by byte, then changed at random, then put into files. */
#ifndef TEST_FORGE_LAYERS_H
#define TEST_FORGE_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ghostkeep-layer.h"
#include "place.h"

#define FORGED_UNITS 5
#define FORGED_LEVELS 3
#define MAP_ROOM 1024
#define DATA_ROOM (FORGED_UNITS * 65536)

enum part {
	MAP,
	DATA,
	RECORD,
	PARTS
};

struct forged_file {
	int fd;
	uint64_t bytes, most; /* of content, and how many there can be */
	unsigned char *content;
};

struct forged_level {
	struct forged_file parts[PARTS];
	bool has_record, whole; /* whole: the image is the level */
};

struct forged_layers {
	struct forged_level levels[FORGED_LEVELS];
	uint32_t count;
	uint64_t size;
	int image; /* a good image of the last level's content, of the largest size */
	struct gk_level level[FORGED_LEVELS];
};

/* A number below BELOW, from the seed of the case. */
uint64_t pick_from(uint64_t *state, uint64_t below);

/* BLAKE3 of the 64 KiB of a unit. */
void forge_digest(const unsigned char *bytes, unsigned char *digest);

/* Opens the files, once. */
void forge_open(struct forged_layers *layers, const struct place *place);
void forge_close(struct forged_layers *layers);

/* Makes layers that fit each other, of a new ghost. */
void forge_layers(struct forged_layers *layers, uint64_t *state);

/* Changes them at random, some bytes or none. */
void forge_harm(struct forged_layers *layers, uint64_t *state);

/* Puts all of them into their files. */
void forge_write(struct forged_layers *layers);

/*
 * Have all files what forge_write() put there? Only in the data of level punched (-1: none), ranges that its
 * record says were given up may be zero.
 */
bool forge_holds(const struct forged_layers *layers, int punched);

/* Is a file, TO, what the map of the first level says: the digest of each unit, and else zero? */
bool forge_is_ghost(const struct forged_layers *layers, int to, uint64_t size);

#endif

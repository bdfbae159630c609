/* SPDX-License-Identifier: MIT */
/* Puts the bytes of a ghost where they belong in the image, or in the file, that it is put together in. */
#ifndef GK_PLACE_UNIT_H
#define GK_PLACE_UNIT_H

#include <stdbool.h>
#include <sys/uio.h>

#include "image/chunk-header.h"
#include "layer/batch.h"
#include "layer/chain.h"
#include "layer/runs.h"

#define PIECES_MAX 256

struct unpack {
	struct chain chain;
	struct batch batch;
	struct runs runs; /* only of an image */
	uint64_t run_left;
	int to; /* -1: only check */
	bool image;
	bool clones; /* the file system has not refused to share a range yet */
	uint64_t align;
	uint64_t position; /* in an image: where the next byte goes */
	/* Pieces that follow each other and are not written yet. */
	struct iovec pieces[PIECES_MAX];
	int count;
	uint64_t gathered_at, gathered;
	unsigned char headers[PIECES_MAX][CHUNK_HEADER_ROOM];
	/* Units below first are there already. */
	uint64_t first;
	uint64_t written;    /* bytes of the ghost, by this call */
	bool check_first;    /* compare them with their digests, */
	uint64_t check_from; /* from this unit on */
	uint64_t bad;	     /* units that are not as they were packed */
	bool ended;	     /* there is no unit behind those that were handled */
	struct gk_report *report;
	struct gk_progress *progress;
};

/* Write a unit that was read. Its bytes must stay in memory until flush_pieces(). */
int write_unit(struct unpack *unpack, const struct unit *unit);

/* A unit that is there already: go on behind it, and with check_first add the places where it lies. */
int pass_unit(struct unpack *unpack, struct unit *unit);

int flush_pieces(struct unpack *unpack);

/* Is what was written for a unit compared with what was to be written? */
bool is_checked(const struct unpack *unpack, uint64_t unit);

/* Has the file these bytes? 0 or -EBADMSG. */
int check_written(struct unpack *unpack, const unsigned char *bytes, uint64_t length, uint64_t position);

#endif

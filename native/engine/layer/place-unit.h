/* SPDX-License-Identifier: MIT */
/* Puts the bytes of a unit where they belong in the image or the file that is being written. */
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
	struct runs runs; /* the chunks that an image will have; unused for a file */
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
	/* Earlier calls have written the units below first. */
	uint64_t first;
	uint64_t written;    /* bytes of the ghost that this call has written */
	bool check_first;    /* compare the units below first with their digests, */
	uint64_t check_from; /* from this unit on */
	uint64_t bad;	     /* how many units are not as they were packed */
	bool ended;	     /* there is no unit behind those that were handled */
	struct gk_report *report;
	struct gk_progress *progress;
};

/* Write a unit that was read. Its bytes must stay in memory until flush_pieces(). */
int write_unit(struct unpack *unpack, const struct unit *unit);

/*
 * Go on behind a unit that an earlier call has written. If the unit is to be checked, add the places
 * where it lies in the file to the batch.
 */
int pass_unit(struct unpack *unpack, struct unit *unit);

int flush_pieces(struct unpack *unpack);

/* Whether a unit that an earlier call has written is to be compared with what it should be. */
bool is_checked(const struct unpack *unpack, uint64_t unit);

/* Returns 0 if the file has these bytes, -EBADMSG if it has others, or another negative errno. */
int check_written(struct unpack *unpack, const unsigned char *bytes, uint64_t length, uint64_t position);

#endif

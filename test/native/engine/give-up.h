/* SPDX-License-Identifier: MIT */
/* A parent gives up what its child has replaced, and a ghost is moved in pieces. */
#ifndef TEST_GIVE_UP_H
#define TEST_GIVE_UP_H

#include "ghostkeep.h"
#include "place.h"

/*
 * levels[1], a packed parent, gives up what levels[0] does not need, and levels[1].given_fd becomes the
 * record. The file is what the child is put together to, before and afterwards.
 */
void give_up(const struct place *place, struct gk_level levels[2], int ghost, uint64_t size);

/* Put the ghost together in pieces. The layers give up what the file has after each of them. */
void move_in_pieces(const struct place *place, const struct gk_level *levels, uint32_t count, int ghost,
		    uint64_t size);

#endif

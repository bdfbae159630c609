/* SPDX-License-Identifier: MIT */
#ifndef GK_DUMP_H
#define GK_DUMP_H

#include "ghostkeep.h"

/* What writing an image needs of memory; may serve one ghost after the other. */
struct dump_room;

/* NULL when there is none. */
struct dump_room *dump_room_new(void);
void dump_room_free(struct dump_room *room);

/* gk_dump, in this room. */
int dump_ghost(struct dump_room *room, int ghost_fd, int image_fd, uint32_t engine, uint64_t size,
	       const void *header, uint64_t header_bytes, uint32_t flags,
	       struct gk_progress *progress, struct gk_report *report);

#endif

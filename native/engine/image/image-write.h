/* SPDX-License-Identifier: MIT */
#ifndef GK_IMAGE_WRITE_H
#define GK_IMAGE_WRITE_H

#include "ghostkeep.h"

/* What writing an image needs of memory; may serve one ghost after the other. */
struct dump_room;

/* NULL when there is none. */
struct dump_room *dump_room_new(void);
void dump_room_free(struct dump_room *room);

/* As gk_dump has them. */
struct dump_request {
	int ghost_fd;
	int image_fd;
	uint32_t engine;
	uint32_t flags;
	uint64_t size;
	const void *header;
	uint64_t header_bytes;
	struct gk_progress *progress; /* may be NULL */
};

/* gk_dump, in this room. */
int dump_ghost(struct dump_room *room, const struct dump_request *request, struct gk_report *report);

#endif

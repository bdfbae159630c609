/* SPDX-License-Identifier: MIT */
#ifndef GK_IMAGE_WRITE_H
#define GK_IMAGE_WRITE_H

#include "ghostkeep.h"

/* The memory that a dump needs. It can be used for one ghost after the other. */
struct dump_room;

/* Returns NULL when there is no memory. */
struct dump_room *dump_room_new(void);
void dump_room_free(struct dump_room *room);

/* The parameters of gk_dump. */
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

/* As gk_dump, with the memory of room. */
int dump_ghost(struct dump_room *room, const struct dump_request *request, struct gk_report *report);

#endif

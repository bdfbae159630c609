/* SPDX-License-Identifier: MIT */
/* Checks that must hold for any file and any engine, against a plain read of the file. */
#ifndef TEST_COMPARE_H
#define TEST_COMPARE_H

#include "ghostkeep.h"
#include "place.h"

/* A ghost_file_entry with magics; how many bytes were put into head (128 is enough). */
uint32_t make_head(unsigned char *head, uint64_t size, bool chunked);

/* The list an engine gives is ordered, merged, clipped, and leaves out zeroes only. */
void compare_extents(int fd, uint64_t size, uint32_t engine);

/* dump, check, chunks, restore: the same bytes, and holes where there were holes. How many were data. */
uint64_t compare_round_trip(const struct place *place, int fd, uint64_t size, uint32_t engine,
			    uint32_t flags);

/* The same with an image that the caller has: with GK_DUMP_OVER it may hold anything. */
uint64_t compare_image(const struct place *place, int fd, uint64_t size, uint32_t engine, uint32_t flags,
		       int image);

/* Both of the above for every engine. */
void compare_all(const struct place *place, int fd, uint64_t size);

/* The first place two files differ below size, or size. */
uint64_t first_difference(int a, int b, uint64_t size);

#endif

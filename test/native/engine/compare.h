/* SPDX-License-Identifier: MIT */
/* Checks that must hold for any file and any engine, against a plain read of the file. */
#ifndef TEST_COMPARE_H
#define TEST_COMPARE_H

#include "ghostkeep.h"
#include "place.h"

/*
 * Make a ghost_file_entry with magics. Returns how many bytes were put into head (128 is enough).
 */
uint32_t make_head(unsigned char *head, uint64_t size, bool chunked);

/*
 * Check that the list an engine gives is ordered, merged and clipped, and leaves out only zeroes.
 */
void compare_extents(int fd, uint64_t size, uint32_t engine);

/*
 * Check with dump, check, chunks and restore that the bytes are the same, and that there are
 * holes where there were holes. Returns how many bytes were data.
 */
uint64_t compare_round_trip(const struct place *place, int fd, uint64_t size, uint32_t engine,
			    uint32_t flags);

/* The same with an image that the caller gives: with GK_DUMP_OVER it may hold anything. */
uint64_t compare_image(const struct place *place, int fd, uint64_t size, uint32_t engine, uint32_t flags,
		       int image);

/* Make both checks above for every engine. */
void compare_all(const struct place *place, int fd, uint64_t size);

/* Returns the first offset below size at which two files differ, or size. */
uint64_t first_difference(int a, int b, uint64_t size);

#endif

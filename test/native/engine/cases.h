/* SPDX-License-Identifier: MIT */
#ifndef TEST_CASES_H
#define TEST_CASES_H

#include <stdint.h>

#include "place.h"

void shape_cases(const struct place *place);	  /* what a file can look like */
void huge_cases(const struct place *place);	  /* 8 EiB - 1 */
void trouble_cases(const struct place *place);	  /* shrinking, cancelling, full */
void allocation_cases(const struct place *place); /* allocated and not data, data and zero */
void copy_cases(const struct place *place);	  /* ways of copying, and their failing */
void over_cases(const struct place *place);	  /* an image of what the ghost was before */
void fiemap_cases(const struct place *place);	  /* maps that end, lie, or give up */
void walk_cases(const struct place *place);	  /* extents found while others are copied */
void many_cases(const struct place *place);	  /* a million extents */
void hostile_cases(const struct place *place);	  /* images from strangers */
void image_cases(const struct place *place, uint64_t seed, uint64_t number); /* mutated at random */
void layer_cases(const struct place *place, uint64_t seed, uint64_t number); /* many images of a ghost */
void map_cases(const struct place *place, uint64_t seed, uint64_t number);   /* layers from strangers */
void bulk_cases(const struct place *place);				     /* many in a call */
void small_cases(const struct place *place);				     /* digest, times, xattrs, open */

void sending_cases(const struct place *place);	  /* ghosts to another host */
void tag_cases(const struct place *place);	  /* pages that have changed */
void moving_cases(const struct place *place);	  /* to another host */
void shaping_cases(const struct place *place);	  /* images of what has arrived */
void read_ahead_cases(const struct place *place); /* ghosts are read by many threads */

void ahead_cases(void);	   /* descriptors of many processes */
void fd_table_cases(void); /* descriptors of single threads */
void holder_cases(void);   /* who holds a file */

/* Any other arguments: runs `number` cases from a seed, or as many as there are seconds for. */
void random_cases(const struct place *place, uint64_t seed, uint64_t number, double seconds);

void table_cases(const struct place *place); /* the rows of docs/filesystems.md */
void largest_case(const struct place *place);
void extents_case(const struct place *place, bool all_engines);

/* Runs the cases that the arguments name, on a directory: on-directory.c. */
int run_on_directory(int argc, char **argv);

#endif

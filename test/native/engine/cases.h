/* SPDX-License-Identifier: MIT */
#ifndef TEST_CASES_H
#define TEST_CASES_H

#include "place.h"

void shape_cases(const struct place *place);	/* what a file can look like */
void huge_cases(const struct place *place);	/* 8 EiB - 1 */
void trouble_cases(const struct place *place);	/* shrinking, cancelling, full */
void copy_cases(const struct place *place);	/* ways of copying, and their failing */
void random_cases(const struct place *place);	/* anything else, from a seed */
void fiemap_cases(const struct place *place);	/* maps that end, lie, or give up */
void many_cases(const struct place *place);	/* a million extents */
void hostile_cases(const struct place *place);	/* images from strangers */
void small_cases(const struct place *place);	/* digest, times, xattrs, open */

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GK_OPEN_FILES_H
#define GK_OPEN_FILES_H

#include <stdint.h>

#include "ghostkeep.h"

/* The next numbers of a /proc/PID/fd, at most capacity: fewer at its end. 0 or a negative errno. */
int list_open_files(int dir_fd, struct gk_open_file *files, uint32_t capacity, uint32_t *count);

/* Ids of mounts, ascending: see gk_open_files. */
struct local {
	const uint64_t *ids;
	uint32_t count;
};

/*
 * Find out what they are, on this thread alone; then sort them: files is compacted, the other two have as
 * much room.
 */
void look_at_open_files(int dir_fd, struct local local, struct gk_open_file *files, uint32_t count);
void sort_open_files(struct gk_open_file *files, uint32_t *suspects, uint32_t *carriers,
		     struct gk_open_counts *counts);

#endif

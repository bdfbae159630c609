/* SPDX-License-Identifier: MIT */
#ifndef GK_OPEN_FILES_H
#define GK_OPEN_FILES_H

#include <stdint.h>

#include "ghostkeep.h"

/*
 * List the next descriptor numbers of the opened directory /proc/PID/fd, at most capacity. The
 * directory's position tells where the last call ended. A *count below capacity means that there
 * are no more. Returns 0 or a negative errno.
 */
int list_open_files(int dir_fd, struct gk_open_file *files, uint32_t capacity, uint32_t *count);

/* The ids of local mounts, ascending: see gk_open_files. */
struct local {
	const uint64_t *ids;
	uint32_t count;
	const uint32_t *presumed; /* numbers of descriptors that are suspects anyway, ascending */
	uint32_t presumed_count;
};

/*
 * look_at_open_files marks what each descriptor is, on this thread alone. Then sort_open_files puts
 * the numbers of suspects (they may hold a ghost, or could not be looked at) and of carriers (sockets,
 * io_urings, inotify, fanotify: only fdinfo tells what files they hold or watch) into the other two
 * arrays, which have room for as many numbers, and leaves in files only other descriptors of files.
 */
void look_at_open_files(int dir_fd, struct local local, struct gk_open_file *files, uint32_t count);
void sort_open_files(struct gk_open_file *files, uint32_t *suspects, uint32_t *carriers,
		     struct gk_open_counts *counts);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GATE_SPAWN_H
#define GATE_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct spawn {
	/* in */
	char *const *argv; /* argv[0] is the absolute path to run */
	char *const *envp;
	int error_fd;	   /* its 2 */
	int socket_fd;	   /* its 3 */
	int image_dir_fd;  /* its 4 */
	bool leave_cgroup; /* CRIU may be in the container's */
	/* out */
	pid_t pid;
	int pidfd; /* the caller's, close-on-exec */
	int error; /* errno of the second clone(2) */
};

/*
 * Start a program that is not a child of ours: 0 or a negative errno. That it
 * could not be executed is not known here: its error_fd says so, and its end
 * of the socket closes.
 */
int spawn_unrelated(struct spawn *spawn);

#endif

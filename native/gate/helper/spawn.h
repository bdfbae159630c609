/* SPDX-License-Identifier: MIT */
#ifndef GATE_SPAWN_H
#define GATE_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct spawn {
	/* in */
	char *const *argv; /* argv[0] is the absolute path to run */
	char *const *envp;
	int error_fd;	   /* becomes the program's descriptor 2 */
	int socket_fd;	   /* becomes the program's descriptor 3 */
	int image_dir_fd;  /* becomes the program's descriptor 4 */
	bool leave_cgroup; /* move the program to the root cgroup: CRIU may be in the container's */
	/* out */
	pid_t pid;
	int pidfd; /* the caller closes it; close-on-exec */
	int error; /* errno of the second clone(2) */
};

/*
 * Start a program that is not a child of ours. Returns 0 or a negative errno. A failed execve(2) is
 * not reported here: the reason goes to error_fd, and the program's end of the socket closes.
 */
int spawn_unrelated(struct spawn *spawn);

#endif

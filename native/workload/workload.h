/* SPDX-License-Identifier: MIT */
/*
 * ghost-workload makes ghosts, holds them, and can prove afterwards that nothing of them was lost.
 * See README.md for the kinds, the descriptor numbers and the files it writes.
 *
 * Functions return 0 or a negative errno unless they say otherwise. When they fail, they print one
 * line that names the object.
 */
#ifndef GHOST_WORKLOAD_H
#define GHOST_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define FIRST_FD 100	   /* ghost i is held at FIRST_FD + i */
#define FIRST_EXTRA_FD 110 /* ghost i's dup is at 110 + 3i, its second open at 111 + 3i */
#define MAX_GHOSTS 10
#define MAX_HOLDERS (MAX_GHOSTS * 4)

enum kind_shape {
	SHAPE_FD,	  /* one descriptor */
	SHAPE_FD_AND_MAP, /* one descriptor and a shared mapping */
	SHAPE_MAP,	  /* two shared mappings, no descriptor */
	SHAPE_SHARED,	  /* three descriptors, a second process */
	SHAPE_EXE,	  /* the executable itself */
};

/* Data starts at lead and repeats every period with data bytes each. The rest is hole. */
struct kind {
	char name[32];
	enum kind_shape shape;
	uint64_t size;
	uint64_t lead;
	uint64_t data;
	uint64_t period;
};

/* Half-open: [offset, offset + length). */
struct range {
	uint64_t offset;
	uint64_t length;
};

/* One holder, and everything it is expected to show: a line of DIR/ready. */
struct holder {
	char kind[32];
	char role[8]; /* main, dup, second, child, map, map2, exe */
	pid_t pid;
	int fd;	   /* -1 when the holder is no descriptor */
	int flags; /* F_GETFL without O_LARGEFILE */
	uint64_t size;
	uint64_t offset;
	uint64_t ino;
	uint64_t hole_bytes; /* bytes in holes that SEEK_HOLE showed when the ghost was made */
	uint64_t digest;     /* FNV-1a of the executable; 0 for other holders */
	uint64_t address;    /* where the mapping begins; 0 when there is none */
	uint64_t length;     /* length of the mapping */
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	struct timespec atime;
	struct timespec mtime;
};

struct ghost {
	struct kind kind;
	int fd;
	int dup_fd;
	int second_fd;
	uint8_t *map;
	uint8_t *map2;		  /* SHAPE_MAP: another mapping, of the second half of the file */
	struct shared_page *page; /* where the two processes talk to each other */
	pid_t child;
};

struct workload {
	const char *dir;
	struct ghost ghosts[MAX_GHOSTS];
	unsigned int nr_ghosts;
	struct holder holders[MAX_HOLDERS];
	unsigned int nr_holders;
};

#endif

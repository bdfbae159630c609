/* SPDX-License-Identifier: MIT */
/*
 * ghost-workload: a program that makes ghosts, holds them, and can prove
 * afterwards that nothing of them was lost. See README.md for the kinds, the
 * descriptor numbers and the files it writes.
 *
 * Functions return 0 or a negative errno unless they say otherwise, and print
 * one line that names the object when they fail.
 */
#ifndef GHOST_WORKLOAD_H
#define GHOST_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define FIRST_FD 100		/* ghost i is held at FIRST_FD + i */
#define FIRST_EXTRA_FD 110	/* its dup at 110 + 3i, its second open at 111 + 3i */
#define MAX_GHOSTS 10
#define MAX_HOLDERS (MAX_GHOSTS * 4)

enum kind_shape {
	SHAPE_FD,		/* one descriptor */
	SHAPE_FD_AND_MAP,	/* one descriptor and a shared mapping */
	SHAPE_MAP,		/* two shared mappings, no descriptor */
	SHAPE_SHARED,		/* three descriptors, a second process */
	SHAPE_EXE,		/* the executable itself */
};

/* Data starts at lead and repeats every period, data bytes each; the rest is hole. */
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

/* What is expected of one holder: a line of DIR/ready. */
struct holder {
	char kind[32];
	char role[8];		/* main, dup, second, child, map, map2, exe */
	pid_t pid;
	int fd;			/* -1 when it is no descriptor */
	int flags;		/* F_GETFL without O_LARGEFILE */
	uint64_t size;
	uint64_t offset;
	uint64_t ino;
	uint64_t hole_bytes;	/* as SEEK_HOLE showed them when it was made */
	uint64_t digest;	/* of the executable; 0 otherwise */
	uint64_t address;	/* of the mapping; 0 when there is none */
	uint64_t length;	/* of the mapping */
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
	uint8_t *map2;			/* the second half again, SHAPE_MAP */
	struct shared_page *page;	/* talk with the second process */
	pid_t child;
};

struct workload {
	const char *dir;
	struct ghost ghosts[MAX_GHOSTS];
	unsigned int nr_ghosts;
	struct holder holders[MAX_HOLDERS];
	unsigned int nr_holders;
};

/* kind.c */
int find_kind(const char *name, struct kind *kind);
void print_kinds(FILE *to);
/* The next data range at or after *at; false when there is none. Moves *at. */
bool next_data(const struct kind *kind, uint64_t *at, struct range *range);

/* pattern.c */
uint64_t pattern_seed(const char *name);
void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *to, size_t length);
/* Offset of the first byte that differs, or -1. */
int64_t pattern_compare(uint64_t seed, uint64_t offset, const uint8_t *bytes, size_t length);
/* FNV-1a of the file from its start to its end. */
int digest_file(int fd, uint64_t *digest);

/* io.c */
int write_all(int fd, const void *bytes, size_t length, uint64_t offset);
int read_all(int fd, void *bytes, size_t length, uint64_t offset);
uint64_t seek_hole_bytes(int fd, uint64_t size);
/* Writes DIR/name.tmp through a stream; finish renames it to DIR/name. */
FILE *open_report(const char *dir, const char *name);
int finish_report(FILE *report, const char *dir, const char *name);

/* make.c */
int make_ghost(struct workload *w, unsigned int index);
/* Times of the ghost at index: far from now, with all their digits. */
int set_times(int fd, unsigned int index);
struct holder *add_holder(struct workload *w, const struct ghost *ghost, const char *role, int fd);

/* exe.c */
int run_from_deleted_exe(const struct workload *w, char **argv);
int add_exe_holder(struct workload *w, unsigned int index);

/* shared.c */
int start_second_process(const char *dir, struct ghost *ghost);
void check_second_process(FILE *to, const struct ghost *ghost);

/* ready.c */
int write_ready(const struct workload *w);
int read_ready(struct workload *w);
const struct holder *find_holder(const struct workload *w, const char *kind, const char *role);

/* check.c */
void result(FILE *to, const char *kind, const char *what, bool ok, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
bool any_not_ok(void);
void check_contents(FILE *to, const struct kind *kind, const struct holder *expected, int fd);
void check_description(FILE *to, const struct holder *expected, int fd);
void check_same_description(FILE *to, const char *kind, const char *what, int fd, int other);

/* mapping.c */
void check_mapping(FILE *to, const struct ghost *ghost);

/* verdict.c */
void verdict(FILE *to, struct workload *w);
int verify_inherited(struct workload *w);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The part of libghostkeep that looks at processes: what they have open, what that is, and pins on it.
 * ghostkeep.h includes it, and says what holds for all functions.
 */
#ifndef GHOSTKEEP_PROC_H
#define GHOSTKEEP_PROC_H

#include <stdint.h>

struct gk_report;

/*
 * Open path as a process whose root is root_fd would see it, as O_PATH: no
 * "..", symlink or magic link leads out, and a symlink at its end is opened
 * itself. The caller closes *fd, which is -1 on failure.
 * Source: openat2(2), RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS.
 */
int gk_open_in_root(int root_fd, const char *path, int *fd, struct gk_report *report);

/*
 * Open a regular file for reading as its owner would, given a descriptor of it
 * made with O_PATH: where root is refused (NFS with root_squash). Changes the
 * calling thread's fsuid and fsgid for that time. The caller closes *fd.
 */
int gk_open_as_owner(int path_fd, int *fd, struct gk_report *report);

struct gk_open_file {
	uint64_t fd;
	uint64_t dev;
	uint64_t ino;
};

struct gk_open_counts {
	uint32_t looked;   /* descriptors this call went through; 0 at the end */
	uint32_t files;	   /* entries of files */
	uint32_t suspects; /* entries of suspects */
	uint32_t carriers; /* entries of carriers */
};

/*
 * Look through the next descriptors of a process, at most capacity of them.
 * dir_fd is its /proc/PID/fd, open for reading, and its offset moves on.
 * Nothing is opened, and no server is asked: a dead one would never answer.
 *
 * local are ids of mounts whose attributes are this kernel's own, ascending. What
 * cannot be a ghost goes to files, if it is a file. Sockets and io_urings go
 * to carriers: they may hold files that no descriptor leads to, and their fdinfo
 * tells. Everything else with a path is a suspect, and what it is is the caller's
 * to decide: link count 0; a regular file whose name is like that of a deleted or
 * silly-renamed one; every regular file on another mount, whose link count may be
 * an old one; whatever stat or readlink failed for, so that the caller meets the
 * error; and devices, one of which may be /dev/fuse or a loop device.
 * suspects and carriers have room for capacity each. A file that has links and a name of
 * another form is in none of the three classes of ghosts: nothing is lost here.
 */
int gk_open_files(int dir_fd, const uint64_t *local, uint32_t local_count, uint32_t capacity,
		  struct gk_open_file *files, uint32_t *suspects, uint32_t *carriers,
		  struct gk_open_counts *counts, struct gk_report *report);

/*
 * gk_open_files for many processes, on all processors, while the caller is busy
 * with those it has. begin starts threads, which run ahead of the caller by some
 * processes and no further. take is gk_open_files of the first of pids until that
 * has looked at 0, then of the second, and so on; where one cannot be listed it
 * fails with that error, and the next call is about the next. end waits for the
 * threads, whatever was taken. These three are the exception: they keep state
 * between calls, in *ahead, and local has to stay until end.
 */
int gk_ahead_begin(const uint32_t *pids, uint32_t count, const uint64_t *local, uint32_t local_count,
		   uint64_t *ahead, struct gk_report *report);
int gk_ahead_take(uint64_t ahead, uint32_t capacity, struct gk_open_file *files, uint32_t *suspects,
		  uint32_t *carriers, struct gk_open_counts *counts, struct gk_report *report);
int gk_ahead_end(uint64_t ahead, struct gk_report *report);

/* statx(2) of what a descriptor or a path leads to, in words: a birth of 0.0 is none. */
struct gk_stat {
	uint64_t dev, ino, mode, nlink, uid, gid, rdev;
	uint64_t size, allocated, block_bytes;
	int64_t atime_sec, atime_nsec, mtime_sec, mtime_nsec;
	int64_t ctime_sec, ctime_nsec, birth_sec, birth_nsec;
	uint64_t mount_id; /* 0: the kernel is older than 5.8 */
};

struct gk_look {
	uint64_t fd;			    /* in */
	int64_t error;			    /* 0, or a negative errno: nothing below it holds */
	uint64_t mount_id, flags, position; /* proc_pid_fdinfo(5) */
	uint64_t name_bytes;		    /* of what its link says, without a NUL; 0: the path is longer */
	struct gk_stat stat;
};

/* A link of /proc shows less than a page: readlink(2) of a longer path is ENAMETOOLONG. */
#define GK_NAME_BYTES 4096

/*
 * What descriptors of a process are, nothing opened but their fdinfo. proc_fd is
 * its /proc/PID. names has GK_NAME_BYTES for each: the n-th link begins at n * GK_NAME_BYTES.
 */
int gk_look_at(int proc_fd, uint32_t count, struct gk_look *looks, char *names, struct gk_report *report);

/* statx(2) of path with what the kernel knows, no server asked. */
int gk_stat_cached(const char *path, struct gk_stat *stat, struct gk_report *report);

struct gk_answer {
	uint64_t done;	/* 0: it was not asked, or the server is silent */
	int64_t error;	/* 0, or a negative errno */
	uint64_t magic; /* statfs(2), f_type */
	struct gk_stat stat;
};

/*
 * statx(2) and statfs(2) of count paths, one after the other, in a process of its own that
 * is killed when nothing has moved for wait_ms: then the rest is not done. A call
 * that a server never answers can be ended by no other way than the end of its process.
 */
int gk_ask_servers(const char *paths, uint32_t count, uint32_t wait_ms, struct gk_answer *answers,
		   struct gk_report *report);

/*
 * The same for what path leads to below root, a folder that somebody else controls: openat2(2) with
 * RESOLVE_IN_ROOT, which on its way may meet a server. magic is not asked for.
 */
int gk_ask_in_root(const char *root, const char *path, uint32_t wait_ms, struct gk_answer *answer,
		   struct gk_report *report);

/*
 * End this process by _exit(2) with status, and line on stderr before that, when wait_ms have passed,
 * whatever its other threads wait for. Before that the files in folder are removed, and it, unless it is "".
 * Called again it starts anew; 0 ends it. There is one in a process, and it is kept between calls. The kernel
 * may hold the process for as long as a server keeps a request that it has begun, or one that cannot be
 * interrupted (FUSE's flush at close(2)).
 */
int gk_deadline(uint32_t wait_ms, int status, const char *line, const char *folder, struct gk_report *report);

struct gk_pin {
	int64_t fd;	      /* the caller's to close; or a negative errno */
	uint64_t inode_flags; /* as gk_get_flags */
	uint64_t xattr_bytes; /* of their names: 0 where there are none */
	struct gk_stat stat;  /* of the descriptor */
};

/*
 * Open regular files for reading, atime untouched where that is allowed. paths
 * are count strings, one after the other. What is no regular file is -EINVAL
 * and is not opened.
 */
int gk_pin(const char *paths, uint32_t count, struct gk_pin *pins, struct gk_report *report);

/*
 * Which of count names, one after the other, are nothing's in a folder? answers: 1
 * for those. Acts on nothing: no symbolic link is followed, nothing mounted by a look.
 */
int gk_are_free(int dir_fd, uint32_t count, const char *names, uint8_t *answers, struct gk_report *report);

/*
 * Threads of process pid whose table of descriptors is not the main thread's, or
 * where that has ended: of those that share a table, one; where kcmp(2) may not be
 * called, all. /proc/TID/fd is what they have open. -E2BIG for more than capacity.
 */
int gk_fd_tables(uint32_t pid, uint32_t capacity, uint32_t *tids, uint32_t *count, struct gk_report *report);

#endif

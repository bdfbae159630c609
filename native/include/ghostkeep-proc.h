/* SPDX-License-Identifier: MIT */
/*
 * The part of libghostkeep that looks at processes: it lists what they have open, describes it and
 * pins it. ghostkeep.h includes this file, and says what holds for all functions.
 */
#ifndef GHOSTKEEP_PROC_H
#define GHOSTKEEP_PROC_H

#include <stdint.h>

struct gk_report;

/*
 * Open path with O_PATH, as a process whose root is root_fd would see it. No "..", symlink or magic
 * link leads out of the root, and a symlink at the end of the path is opened itself. The caller
 * closes *fd, which is -1 on failure. Source: openat2(2), RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS.
 */
int gk_open_in_root(int root_fd, const char *path, int *fd, struct gk_report *report);

/*
 * Open a regular file for reading as its owner would, given an O_PATH descriptor of it. This is for
 * files that root is refused (NFS with root_squash). The calling thread's fsuid and fsgid are
 * changed meanwhile. The caller closes *fd.
 */
int gk_open_as_owner(int path_fd, int *fd, struct gk_report *report);

struct gk_open_file {
	uint64_t fd;
	uint64_t dev;
	uint64_t ino;
};

struct gk_open_counts {
	uint32_t looked;   /* descriptors that this call looked at; 0 at the end */
	uint32_t files;	   /* entries of files */
	uint32_t suspects; /* entries of suspects */
	uint32_t carriers; /* entries of carriers */
};

/*
 * Look through the next descriptors of a process, at most capacity of them. dir_fd is its
 * /proc/PID/fd, open for reading, and its offset moves on. Nothing is opened, and no server is
 * asked, because a dead server would never answer.
 *
 * local holds ids of mounts whose attributes are this kernel's own, ascending. Files that cannot be
 * ghosts go to files. Sockets, io_urings, inotify and fanotify descriptors go to carriers: they may
 * hold or watch files that no descriptor leads to, and their fdinfo tells. Everything else with a
 * path is a suspect, and the caller decides what it is. Suspects are: a file with link count 0; a
 * regular file whose name looks like that of a deleted or silly-renamed one; every regular file on
 * another mount, because its link count may be out of date; a descriptor for which stat or readlink
 * failed, so that the caller meets the error; and devices, one of which may be /dev/fuse or a loop
 * device. suspects and carriers have room for capacity each. A file that has links and another form
 * of name belongs to none of the three classes of ghosts, so nothing is lost here.
 */
int gk_open_files(int dir_fd, const uint64_t *local, uint32_t local_count, uint32_t capacity,
		  struct gk_open_file *files, uint32_t *suspects, uint32_t *carriers,
		  struct gk_open_counts *counts, struct gk_report *report);

/*
 * gk_open_files for many processes, on all processors, while the caller works on those it has.
 * begin starts threads, which run ahead of the caller by a limited number of processes. take is
 * gk_open_files of the first of pids until it has looked at 0, then of the second, and so on. When
 * a process cannot be listed, take fails with that error, and the next call goes on with the next
 * process. end waits for the threads; it may be called at any time. These three functions are the
 * exception that keeps state between calls, in *ahead. local has to stay valid until end.
 */
int gk_ahead_begin(const uint32_t *pids, uint32_t count, const uint64_t *local, uint32_t local_count,
		   uint64_t *ahead, struct gk_report *report);
int gk_ahead_take(uint64_t ahead, uint32_t capacity, struct gk_open_file *files, uint32_t *suspects,
		  uint32_t *carriers, struct gk_open_counts *counts, struct gk_report *report);
int gk_ahead_end(uint64_t ahead, struct gk_report *report);

/*
 * The answer of statx(2) about the target of a descriptor or path. A birth of 0.0 means that there is none.
 */
struct gk_stat {
	uint64_t dev, ino, mode, nlink, uid, gid, rdev;
	uint64_t size, allocated, block_bytes;
	int64_t atime_sec, atime_nsec, mtime_sec, mtime_nsec;
	int64_t ctime_sec, ctime_nsec, birth_sec, birth_nsec;
	uint64_t mount_id; /* 0: the kernel is older than 5.8 */
};

struct gk_look {
	uint64_t fd;			    /* in */
	int64_t error;			    /* 0, or a negative errno: then the fields below are not valid */
	uint64_t mount_id, flags, position; /* proc_pid_fdinfo(5) */
	uint64_t name_bytes; /* length of its link's text, without a NUL; 0: the path is longer */
	struct gk_stat stat;
};

/* A link in /proc shows less than a page. For a longer path, readlink(2) fails with ENAMETOOLONG. */
#define GK_NAME_BYTES 4096

/*
 * Describe descriptors of a process. Nothing is opened but their fdinfo. proc_fd is its /proc/PID.
 * names has GK_NAME_BYTES for each descriptor: the n-th link begins at n * GK_NAME_BYTES.
 */
int gk_look_at(int proc_fd, uint32_t count, struct gk_look *looks, char *names, struct gk_report *report);

/* statx(2) of path from what the kernel already knows. No server is asked. */
int gk_stat_cached(const char *path, struct gk_stat *stat, struct gk_report *report);

struct gk_answer {
	uint64_t done;	/* 0: it was not asked, or the server is silent */
	int64_t error;	/* 0, or a negative errno */
	uint64_t magic; /* statfs(2), f_type */
	struct gk_stat stat;
};

/*
 * statx(2) and statfs(2) of count paths, one after the other, in a child process. The child is
 * killed when nothing has moved for wait_ms, and the remaining paths are not done. A call that a
 * server never answers ends only with its process.
 */
int gk_ask_servers(const char *paths, uint32_t count, uint32_t wait_ms, struct gk_answer *answers,
		   struct gk_report *report);

/*
 * Like gk_ask_servers, for one file: statx(2) of path, looked up below root. Somebody else controls
 * that folder, so openat2(2) with RESOLVE_IN_ROOT keeps the look-up inside it, and a link at the end
 * is not followed. The child does the look-up, too, because it may wait for a server. magic is not
 * filled in.
 */
int gk_ask_in_root(const char *root, const char *path, uint32_t wait_ms, struct gk_answer *answer,
		   struct gk_report *report);

/*
 * When wait_ms have passed, end this process by _exit(2) with status, even if its other threads are
 * waiting. Before that, remove folder and the files in it, unless it is "", and write line to
 * stderr. A second call sets the deadline anew; a wait_ms of 0 takes it back. A process has one
 * deadline, which is kept between calls.
 *
 * The kernel may still hold the process while a server keeps a request that it has begun, or a
 * request that cannot be interrupted (FUSE's flush at close(2)).
 */
int gk_deadline(uint32_t wait_ms, int status, const char *line, const char *folder, struct gk_report *report);

struct gk_pin {
	int64_t fd;	      /* the caller closes it; or a negative errno */
	uint64_t inode_flags; /* as gk_get_flags */
	uint64_t xattr_bytes; /* length of their names; 0 when there are none */
	struct gk_stat stat;  /* of the descriptor */
};

/*
 * Open regular files for reading, without touching atime where that is allowed. paths holds count
 * strings, one after the other. For anything but a regular file, fd is -EINVAL, and it is not
 * opened. It is -EAGAIN where a path is /proc/PID/fd/N and opening the file would break a lease of
 * its holder. For other paths the caller has to know that there is no lease.
 */
int gk_pin(const char *paths, uint32_t count, struct gk_pin *pins, struct gk_report *report);

/*
 * Find out which of count names are free in a folder; names holds them one after the other. answers
 * gets 1 for each free name. It has no effects: no symbolic link is followed, and nothing is
 * automounted.
 */
int gk_are_free(int dir_fd, uint32_t count, const char *names, uint8_t *answers, struct gk_report *report);

/*
 * List threads of process pid whose table of descriptors is not the main thread's, or that have one
 * when the main thread has ended. It lists one of the threads that share a table, or all threads
 * where kcmp(2) may not be called. /proc/TID/fd shows what a thread has open. -E2BIG when there are
 * more than capacity.
 */
int gk_fd_tables(uint32_t pid, uint32_t capacity, uint32_t *tids, uint32_t *count, struct gk_report *report);

#endif

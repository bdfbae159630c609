/* SPDX-License-Identifier: MIT */
/*
 * The part of libghostkeep that looks at processes: it lists the files that they have open, describes
 * and pins them. ghostkeep.h includes this file, and says what holds for all functions.
 */
#ifndef GHOSTKEEP_PROC_H
#define GHOSTKEEP_PROC_H

#include <stdint.h>

struct gk_report;

/*
 * Open path with O_PATH, as a process whose root is root_fd would see it. No "..", symlink or magic
 * link leads out of the root. If the path ends with a symlink, the link itself is opened. The caller
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

/* How many numbers the caller passes, and for how many it has room. */
struct gk_open_room {
	uint32_t local;
	uint32_t presumed;
	uint32_t capacity; /* of files, of suspects and of carriers */
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
 * device. A local file that has links, and no name
 * of these forms, belongs to none of the three classes of ghosts, so nothing is lost here.
 *
 * presumed holds numbers of descriptors, ascending, that the caller will look at anyway. Where they are
 * open they go to suspects, and are not looked at here.
 */
int gk_open_files(int dir_fd, const struct gk_open_room *room, const uint64_t *local,
		  const uint32_t *presumed, struct gk_open_file *files, uint32_t *suspects,
		  uint32_t *carriers, struct gk_open_counts *counts, struct gk_report *report);

/*
 * gk_open_files for many processes, on all processors, while the caller works on the processes that it
 * has taken already. begin starts threads, which run ahead of the caller by a limited number of
 * processes. take does what gk_open_files does, for the first of pids until it returns a looked of 0,
 * then for the second, and so on. When a process cannot be listed, take fails with that error, and the
 * next call goes on with the next process. end waits for the threads; it may be called at any time.
 * *ahead is state that is kept between these calls. local has to stay valid until end.
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
	uint64_t
		name_bytes; /* length of the link's text, without a NUL; 0: it is longer than a link can show */
	struct gk_stat stat;
};

/* A link in /proc shows paths shorter than a page. For others, readlink(2) fails with ENAMETOOLONG. */
#define GK_NAME_BYTES 4096

/*
 * Describe descriptors of a process, whose /proc/PID is proc_fd. Nothing is opened but their fdinfo.
 * names has GK_NAME_BYTES for each descriptor: the n-th link begins at n * GK_NAME_BYTES.
 */
int gk_look_at(int proc_fd, uint32_t count, struct gk_look *looks, char *names, struct gk_report *report);

/* statx(2) of path from what the kernel already knows. No server is asked. */
int gk_stat_cached(const char *path, struct gk_stat *stat, struct gk_report *report);

/*
 * The same for an entry of a folder. A link is not followed. If another file is mounted on the entry, that
 * file is described, and mount_id tells.
 */
int gk_stat_entry(int dir_fd, const char *name, struct gk_stat *stat, struct gk_report *report);

/*
 * Read the next entries of a folder into buffer, as getdents64(2) gives them, and set got to their bytes. 0
 * bytes are the end. Node.js reads all entries at once, and a folder of a container may have millions.
 */
int gk_read_folder(int dir_fd, void *buffer, uint64_t capacity, uint64_t *got, struct gk_report *report);

struct gk_answer {
	uint64_t done;	/* 0: nobody was asked about this path, or the server is silent */
	int64_t error;	/* 0, or a negative errno */
	uint64_t magic; /* statfs(2), f_type */
	struct gk_stat stat;
};

/*
 * statx(2) and statfs(2) of count paths, one after the other, in a child process, because a call that a
 * server never answers ends only with its process. The child is killed when no answer has come for
 * wait_ms. The answers about the remaining paths then have a done of 0.
 */
int gk_ask_servers(const char *paths, uint32_t count, uint32_t wait_ms, struct gk_answer *answers,
		   struct gk_report *report);

/*
 * Like gk_ask_servers, for one file: statx(2) of path, looked up below root. Somebody else controls
 * the folder root, so openat2(2) with RESOLVE_IN_ROOT keeps the look-up inside it, and a link at the end
 * is not followed. The child does the look-up, too, because that may wait for a server. magic is not
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
 * Even then the kernel may hold the process: while a server keeps a request that it has begun to handle,
 * or one that cannot be interrupted (FUSE's flush at close(2)).
 */
int gk_deadline(uint32_t wait_ms, int status, const char *line, const char *folder, struct gk_report *report);

struct gk_pin {
	int64_t fd;	      /* the caller closes it; or a negative errno */
	uint64_t inode_flags; /* as gk_get_flags gives them */
	uint64_t xattr_bytes; /* length of the names of its extended attributes; 0: there are none */
	struct gk_stat stat;  /* of the descriptor */
};

/*
 * Open regular files for reading, without touching atime where that is allowed. paths holds count
 * strings, one after the other. Anything but a regular file is not opened, and its fd is -EINVAL. If a
 * path is /proc/PID/fd/N, and opening the file would break a lease of its holder, fd is -EAGAIN. For
 * other paths the caller has to know that there is no lease.
 */
int gk_pin(const char *paths, uint32_t count, struct gk_pin *pins, struct gk_report *report);

/*
 * Find out which of count names are free in a folder. names holds them one after the other. answers
 * gets 1 for each free name, and 0 for each other one. The call has no effects: no symbolic link is
 * followed, and nothing is automounted.
 */
int gk_are_free(int dir_fd, uint32_t count, const char *names, uint8_t *answers, struct gk_report *report);

/*
 * List the threads of process pid whose table of descriptors is not the main thread's. If the main
 * thread has ended, it has no table, and all others count. If several threads share a table, only one
 * of them is listed. Where kcmp(2) may not be called, all threads are listed. /proc/TID/fd shows what a
 * thread has open. -E2BIG when there are more than capacity.
 */
int gk_fd_tables(uint32_t pid, uint32_t capacity, uint32_t *tids, uint32_t *count, struct gk_report *report);

struct gk_sought {
	uint64_t dev, ino; /* in, as stat(2) has them */
	uint64_t pid;	   /* a process that holds the file; 0: none was found. 0 when the call begins */
};

/*
 * Find processes among pids that hold files of a tmpfs: open, mapped, as program, working directory or
 * root. files are ascending by dev and ino. The processes are looked at in the order of pids, until each
 * file has a holder. The call does not see the files of a process that may not be looked at, of one whose
 * mount namespace does not show the tmpfs, and of a thread with a table of its own (gk_fd_tables), nor
 * files in flight on a socket.
 *
 * A child process looks, and is killed after wait_ms. *complete is 1 if all of pids were looked at, or each
 * file has a holder; otherwise 0, and then a file without a holder may have one.
 */
int gk_find_holders(const uint32_t *pids, uint32_t pid_count, struct gk_sought *files, uint32_t count,
		    uint32_t wait_ms, uint32_t *complete, struct gk_report *report);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * libghostkeep: everything ghostkeep does once per extent or once per byte.
 *
 * One call handles one whole ghost, or many small ones: a container may have
 * ten thousand, and all stands still meanwhile. A call keeps no state between
 * calls and allocates a bounded amount of memory, whatever the size of the file
 * and the number of its extents.
 *
 * Every function returns 0 or a negative errno. On failure it writes one line
 * to report->message that names what it was doing and where; on success
 * gk_dump and gk_extents say there why the engine was used. None prints or exits. Offsets and lengths are bytes; ranges are half-open.
 * Descriptors stay the caller's; their file offsets are not used for the
 * ghost, and are undefined afterwards for an image.
 */
#ifndef GHOSTKEEP_H
#define GHOSTKEEP_H

#include <stdint.h>

#define GK_MESSAGE_BYTES 240

/*
 * How data is found. Values are stable: JavaScript passes them as numbers.
 * No engine leaves out a byte that a read would return as non-zero. FIEMAP
 * alone would: dirty pages over unwritten extents, and on some file systems
 * over holes, are not in its map. So lseek(2), which sees the page cache,
 * decides inside what the map calls unwritten, and inside its gaps too where
 * the map cannot be relied on (all but ext4).
 * Where the file system does not know an engine, fiemap gives way to seek and
 * seek to read, from the offset reached; report->engine is the last one.
 * When auto comes to read, more than GK_READ_HOLES_MAX bytes of holes are
 * -EOVERFLOW: that would take minutes. Whoever asks for read by name gets it.
 */
#define GK_READ_HOLES_MAX (UINT64_C(64) << 30)

enum gk_engine {
	GK_ENGINE_AUTO = 0,	/* choose by file system */
	GK_ENGINE_FIEMAP = 1,	/* FS_IOC_FIEMAP, never with FIEMAP_FLAG_SYNC */
	GK_ENGINE_SEEK = 2,	/* lseek(SEEK_DATA), lseek(SEEK_HOLE) */
	GK_ENGINE_READ = 3,	/* read every byte, test blocks for zero */
};

enum gk_extent_kind {
	GK_EXTENT_DATA = 0,
	GK_EXTENT_UNWRITTEN = 1,	/* allocated, reads as zero */
};

/* How bytes were moved; a report holds the set that was used. */
enum gk_copy_way {
	GK_COPY_REFLINK = 1,
	GK_COPY_RANGE = 2,		/* copy_file_range(2) */
	GK_COPY_READ_WRITE = 4,
};

struct gk_extent {
	uint64_t offset;
	uint64_t length;
	uint32_t kind;			/* enum gk_extent_kind */
	uint32_t flags;			/* FIEMAP_EXTENT_*; 0 from other engines */
};

/* Flags of gk_dump. */
#define GK_DUMP_CHUNKED 1		/* chunks; without it the raw bytes of the whole file */
#define GK_DUMP_DETECT_ZEROES 2		/* blocks of zeroes inside data are left out, too */
#define GK_DUMP_OVER 4			/* the image may hold anything: what is right there stays */

/*
 * Shared with another thread while a call runs: the library adds to
 * done_bytes and reads cancel with relaxed atomics. A call that sees cancel
 * set returns -ECANCELED soon (within one window of 1 MiB or one clone).
 */
struct gk_progress {
	uint64_t done_bytes;
	uint32_t cancel;
	uint32_t reserved;
};

struct gk_report {
	uint64_t data_bytes;		/* bytes of data found or copied */
	uint64_t chunks;		/* data ranges, or chunk entries */
	uint64_t unwritten_bytes;	/* allocated but never written */
	uint64_t image_bytes;		/* length of the image, header included */
	uint64_t size;			/* size of the ghost in bytes */
	uint64_t kept_bytes;		/* of the image, that an earlier one held already */
	uint64_t failed_offset;		/* where it failed, in the file named by message */
	uint32_t engine;		/* enum gk_engine that was really used */
	uint32_t fallbacks;		/* how often an engine gave up for the next */
	uint32_t ways;			/* set of enum gk_copy_way */
	uint32_t crc32c;		/* of what the call documents */
	char message[GK_MESSAGE_BYTES];
};

/*
 * List the extents of fd that intersect [start, size), in order, without
 * overlap, clipped to size; touching extents of one kind are merged.
 * At most capacity are stored; *count says how many and *next where to go on
 * (size when there is nothing left). Holes are what is not listed.
 * Source: Documentation/filesystems/fiemap.rst, lseek(2).
 */
int gk_extents(int fd, uint32_t engine, uint64_t size, uint64_t start,
	       struct gk_extent *extents, uint32_t capacity, uint32_t *count,
	       uint64_t *next, struct gk_report *report);

/*
 * Write the body of a CRIU ghost image: after header_bytes of header (both
 * magics and the ghost_file_entry, made by the caller) one ghost_chunk_entry
 * and its raw bytes for each data range of ghost_fd in [0, size).
 * Without GK_DUMP_CHUNKED the raw bytes of the whole file follow the header, as
 * CRIU writes files below 12 KiB.
 *
 * Chunk headers of ranges of 64 KiB and more carry a padding field so that
 * their raw bytes start at a multiple of the image's block size (reflink).
 * image_fd must be an empty regular file open for reading and writing. With
 * GK_DUMP_OVER it need not be empty: every byte is compared with what is there, by
 * whatever it came, and written where it differs. Nothing is reflinked then. What a
 * ghost's earlier image shares with it costs two reads instead of a write.
 * A ghost that turns out shorter than size is -ESTALE, and failed_offset says
 * where it ends; an extent that merely passes size is clipped.
 * With GK_ENGINE_READ no chunk is much longer than 64 MiB, so that each byte
 * is still in memory when it is copied.
 * report: data_bytes, chunks (0 when not chunked), unwritten_bytes,
 * image_bytes, kept_bytes, engine, fallbacks, ways.
 */
int gk_dump(int ghost_fd, int image_fd, uint32_t engine, uint64_t size,
	    const void *header, uint64_t header_bytes, uint32_t flags,
	    struct gk_progress *progress, struct gk_report *report);

/*
 * Write dirty pages of fd in [0, size) to disk and wait for them: sharing their blocks
 * would have to (reflink). No promise that they survive a power cut: sync_file_range(2).
 */
int gk_write_back(int fd, uint64_t size, struct gk_progress *progress,
		  struct gk_report *report);

/*
 * List what of fd is allocated but holds no data of its own, resumable as
 * gk_extents: unwritten extents, and everything past size. Dirty pages
 * inside are not cut out: who allocates the range again loses nothing.
 * *next is 0 when there is nothing left. -EOPNOTSUPP where there is no FIEMAP.
 */
int gk_allocation(int fd, uint64_t size, uint64_t start, struct gk_extent *extents,
		  uint32_t capacity, uint32_t *count, uint64_t *next,
		  struct gk_report *report);

/* fallocate(2) with FALLOC_FL_KEEP_SIZE: what is there stays, the rest is allocated and reads as zero. */
int gk_allocate(int fd, uint64_t offset, uint64_t length, struct gk_report *report);

/*
 * Walk a ghost image as hostile input and check its structure: both magics,
 * a complete ghost_file_entry, chunks complete, inside size, in ascending
 * order and not overlapping, nothing behind the last one.
 * -EBADMSG and a message with the offset where it is wrong.
 * report: size, data_bytes, chunks, image_bytes.
 */
int gk_check(int image_fd, struct gk_progress *progress,
	     struct gk_report *report);

/* crc32c over all bytes of a file from 0 to its end (report: crc32c, image_bytes). */
int gk_digest(int fd, struct gk_progress *progress, struct gk_report *report);

/*
 * Write the data of a ghost image into file_fd, an empty regular file open
 * for writing, and set its size: sparse, holes stay holes. Checks as gk_check.
 * report: size, data_bytes, chunks, ways.
 */
int gk_restore(int image_fd, int file_fd, struct gk_progress *progress,
	       struct gk_report *report);

/*
 * List the chunks of a ghost image, resumable as gk_extents: start at
 * cursor 0, go on with *next until it is 0. The raw content of an image
 * without chunks is listed as one.
 */
int gk_chunks(int image_fd, uint64_t cursor, struct gk_extent *extents,
	      uint32_t capacity, uint32_t *count, uint64_t *next,
	      struct gk_report *report);

/* futimens(2) with nanoseconds, which Node cannot set. */
int gk_set_times(int fd, int64_t atime_sec, int64_t atime_nsec,
		 int64_t mtime_sec, int64_t mtime_nsec,
		 struct gk_report *report);

/*
 * FS_IOC_GETFLAGS and FS_IOC_SETFLAGS (ioctl_iflags(2)), of those flags that can
 * be given to another file: S, i, a, d and A of chattr(1). A file system
 * without flags has none; to set any there fails.
 */
int gk_get_flags(int fd, uint32_t *flags, struct gk_report *report);
int gk_set_flags(int fd, uint32_t flags, struct gk_report *report);

/* flistxattr(2) and fgetxattr(2): *length in: capacity, out: used or needed. */
int gk_list_xattrs(int fd, void *names, uint64_t *length,
		   struct gk_report *report);
int gk_get_xattr(int fd, const char *name, void *value, uint64_t *length,
		 struct gk_report *report);
int gk_set_xattr(int fd, const char *name, const void *value, uint64_t length,
		 struct gk_report *report);

/*
 * Open path as a process whose root is root_fd would see it, as O_PATH: no
 * "..", symlink or magic link leads out, and a symlink at its end is opened
 * itself. The caller closes *fd, which is -1 on failure.
 * Source: openat2(2), RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS.
 */
int gk_open_in_root(int root_fd, const char *path, int *fd,
		    struct gk_report *report);

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
	uint32_t looked;		/* descriptors this call went through; 0 at the end */
	uint32_t files;			/* entries of files */
	uint32_t suspects;		/* entries of suspects */
	uint32_t carriers;		/* entries of carriers */
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
int gk_open_files(int dir_fd, const uint64_t *local, uint32_t local_count,
		  uint32_t capacity, struct gk_open_file *files,
		  uint32_t *suspects, uint32_t *carriers,
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
int gk_ahead_begin(const uint32_t *pids, uint32_t count, const uint64_t *local,
		   uint32_t local_count, uint64_t *ahead, struct gk_report *report);
int gk_ahead_take(uint64_t ahead, uint32_t capacity, struct gk_open_file *files,
		  uint32_t *suspects, uint32_t *carriers,
		  struct gk_open_counts *counts, struct gk_report *report);
int gk_ahead_end(uint64_t ahead, struct gk_report *report);

/* statx(2) of what a descriptor or a path leads to, in words: a birth of 0.0 is none. */
struct gk_stat {
	uint64_t dev, ino, mode, nlink, uid, gid, rdev;
	uint64_t size, allocated, block_bytes;
	int64_t atime_sec, atime_nsec, mtime_sec, mtime_nsec;
	int64_t ctime_sec, ctime_nsec, birth_sec, birth_nsec;
	uint64_t mount_id;		/* 0: the kernel is older than 5.8 */
};

struct gk_look {
	uint64_t fd;			/* in */
	int64_t error;			/* 0, or a negative errno: nothing below it holds */
	uint64_t mount_id, flags, position;	/* proc_pid_fdinfo(5) */
	uint64_t name_bytes;		/* of what its link says, without a NUL; 0: the path is longer */
	struct gk_stat stat;
};

/* A link of /proc shows less than a page: readlink(2) of a longer path is ENAMETOOLONG. */
#define GK_NAME_BYTES 4096

/*
 * What descriptors of a process are, nothing opened but their fdinfo. proc_fd is
 * its /proc/PID. names has GK_NAME_BYTES for each: the n-th link begins at n * GK_NAME_BYTES.
 */
int gk_look_at(int proc_fd, uint32_t count, struct gk_look *looks, char *names,
	       struct gk_report *report);

/* statx(2) of path with what the kernel knows, no server asked. */
int gk_stat_cached(const char *path, struct gk_stat *stat, struct gk_report *report);

struct gk_answer {
	uint64_t done;			/* 0: it was not asked, or the server is silent */
	int64_t error;			/* 0, or a negative errno */
	uint64_t magic;			/* statfs(2), f_type */
	struct gk_stat stat;
};

/*
 * statx(2) and statfs(2) of count paths, one after the other, in a process of its own that
 * is killed when nothing has moved for wait_ms: then the rest is not done. A call
 * that a server never answers can be ended by no other way than the end of its process.
 */
int gk_ask_servers(const char *paths, uint32_t count, uint32_t wait_ms,
		   struct gk_answer *answers, struct gk_report *report);

/*
 * End this process by _exit(2) with status, and line on stderr before that, when wait_ms have passed, whatever its
 * other threads wait for. Called again it starts anew; 0 ends it. There is one in a process, and it is kept between calls.
 */
int gk_deadline(uint32_t wait_ms, int status, const char *line, struct gk_report *report);

struct gk_pin {
	int64_t fd;			/* the caller's to close; or a negative errno */
	uint64_t inode_flags;		/* as gk_get_flags */
	uint64_t xattr_bytes;		/* of their names: 0 where there are none */
	struct gk_stat stat;		/* of the descriptor */
};

/*
 * Open regular files for reading, atime untouched where that is allowed. paths
 * are count strings, one after the other. What is no regular file is -EINVAL
 * and is not opened.
 */
int gk_pin(const char *paths, uint32_t count, struct gk_pin *pins,
	   struct gk_report *report);

struct gk_dump_job {
	uint64_t ghost_fd, size, flags;		/* as gk_dump's */
	uint64_t header_at, header_bytes;	/* a part of headers */
	uint64_t name_at;		/* of the image below dir_fd, in names: there with GK_DUMP_OVER, else not yet */
	int64_t error;			/* out: 0, or a negative errno: then there is no image of this call */
	struct gk_stat after;		/* of the ghost, when it was copied */
	struct gk_report report;
};

/*
 * gk_dump for each of many ghosts, on all processors. Each is tried, and has an
 * error and a report of its own. New images are made with mode, as umask(2) allows.
 * With GK_DUMP_OVER an image that is not there, or is no regular file, is an error, too.
 */
int gk_dump_many(int dir_fd, uint32_t mode, uint32_t engine, uint32_t count,
		 struct gk_dump_job *jobs, const void *headers, const char *names,
		 struct gk_report *report);

/*
 * Which of count names, one after the other, are nothing's in a folder? answers: 1
 * for those. Acts on nothing: no symbolic link is followed, nothing mounted by a look.
 */
int gk_are_free(int dir_fd, uint32_t count, const char *names, uint8_t *answers,
		struct gk_report *report);

/* Wait until the disk has a file, and read from there from now on. */
int gk_settle(int fd, struct gk_report *report);

/*
 * Threads of process pid whose table of descriptors is not the main thread's, or
 * where that has ended: of those that share a table, one; where kcmp(2) may not be
 * called, all. /proc/TID/fd is what they have open. -E2BIG for more than capacity.
 */
int gk_fd_tables(uint32_t pid, uint32_t capacity, uint32_t *tids, uint32_t *count,
		 struct gk_report *report);

/*
 * The values and the layout of the structs in this file, for callers that cannot include it and compare them with
 * what they have by heart: a line each, "GK_DUMP_OVER 4", "gk_report 312", "gk_report.size 8 at 32" (bytes, offset).
 * Returns how long the text is, without a NUL; it is cut at capacity.
 */
uint32_t gk_layout(char *text, uint32_t capacity);

/* sizeof(struct gk_report) in the low 16 bits, above it GK_ABI, which changes with this file. */
#define GK_ABI 12
uint32_t gk_abi(void);

#endif

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
 * gk_dump and gk_extents say there why the engine was used. None prints or exits.
 * Offsets and lengths are bytes; ranges are half-open.
 * Descriptors stay the caller's; their file offsets are not used for the
 * ghost, and are undefined afterwards for an image.
 */
#ifndef GHOSTKEEP_H
#define GHOSTKEEP_H

#include <stdint.h>

#include "ghostkeep-proc.h"

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
	GK_ENGINE_AUTO = 0,   /* choose by file system */
	GK_ENGINE_FIEMAP = 1, /* FS_IOC_FIEMAP, never with FIEMAP_FLAG_SYNC */
	GK_ENGINE_SEEK = 2,   /* lseek(SEEK_DATA), lseek(SEEK_HOLE) */
	GK_ENGINE_READ = 3,   /* read every byte, test blocks for zero */
};

enum gk_extent_kind {
	GK_EXTENT_DATA = 0,
	GK_EXTENT_UNWRITTEN = 1, /* allocated, reads as zero */
};

/* How bytes were moved; a report holds the set that was used. */
enum gk_copy_way {
	GK_COPY_REFLINK = 1,
	GK_COPY_RANGE = 2, /* copy_file_range(2) */
	GK_COPY_READ_WRITE = 4,
};

struct gk_extent {
	uint64_t offset;
	uint64_t length;
	uint32_t kind;	/* enum gk_extent_kind */
	uint32_t flags; /* FIEMAP_EXTENT_*; 0 from other engines */
};

/* Flags of gk_dump. */
#define GK_DUMP_CHUNKED 1	/* chunks; without it the raw bytes of the whole file */
#define GK_DUMP_DETECT_ZEROES 2 /* blocks of zeroes inside data are left out, too */
#define GK_DUMP_OVER 4		/* the image may hold anything: what is right there stays */

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
	uint64_t data_bytes;	  /* bytes of data found or copied */
	uint64_t chunks;	  /* data ranges, or chunk entries */
	uint64_t unwritten_bytes; /* allocated but never written */
	uint64_t image_bytes;	  /* length of the image, header included */
	uint64_t size;		  /* size of the ghost in bytes */
	uint64_t kept_bytes;	  /* of the image, that an earlier one held already */
	uint64_t failed_offset;	  /* where it failed, in the file named by message */
	uint32_t engine;	  /* enum gk_engine that was really used */
	uint32_t fallbacks;	  /* how often an engine gave up for the next */
	uint32_t ways;		  /* set of enum gk_copy_way */
	uint32_t crc32c;	  /* of what the call documents */
	char message[GK_MESSAGE_BYTES];
};

/*
 * List the extents of fd that intersect [start, size), in order, without
 * overlap, clipped to size; touching extents of one kind are merged.
 * At most capacity are stored; *count says how many and *next where to go on
 * (size when there is nothing left). Holes are what is not listed.
 * Source: Documentation/filesystems/fiemap.rst, lseek(2).
 */
int gk_extents(int fd, uint32_t engine, uint64_t size, uint64_t start, struct gk_extent *extents,
	       uint32_t capacity, uint32_t *count, uint64_t *next, struct gk_report *report);

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
int gk_dump(int ghost_fd, int image_fd, uint32_t engine, uint64_t size, const void *header,
	    uint64_t header_bytes, uint32_t flags, struct gk_progress *progress, struct gk_report *report);

/*
 * Write dirty pages of fd in [0, size) to disk and wait for them: sharing their blocks
 * would have to (reflink). No promise that they survive a power cut: sync_file_range(2).
 */
int gk_write_back(int fd, uint64_t size, struct gk_progress *progress, struct gk_report *report);

/*
 * List what of fd is allocated but holds no data of its own, resumable as
 * gk_extents: unwritten extents, and everything past size. Dirty pages
 * inside are not cut out: who allocates the range again loses nothing.
 * *next is 0 when there is nothing left. -EOPNOTSUPP where there is no FIEMAP.
 */
int gk_allocation(int fd, uint64_t size, uint64_t start, struct gk_extent *extents, uint32_t capacity,
		  uint32_t *count, uint64_t *next, struct gk_report *report);

/* fallocate(2) with FALLOC_FL_KEEP_SIZE: what is there stays, the rest is allocated and reads as zero. */
int gk_allocate(int fd, uint64_t offset, uint64_t length, struct gk_report *report);

/*
 * Walk a ghost image as hostile input and check its structure: both magics,
 * a complete ghost_file_entry, chunks complete, inside size, in ascending
 * order and not overlapping, nothing behind the last one.
 * -EBADMSG and a message with the offset where it is wrong.
 * report: size, data_bytes, chunks, image_bytes.
 */
int gk_check(int image_fd, struct gk_progress *progress, struct gk_report *report);

/* crc32c over all bytes of a file from 0 to its end (report: crc32c, image_bytes). */
int gk_digest(int fd, struct gk_progress *progress, struct gk_report *report);

/*
 * Write the data of a ghost image into file_fd, an empty regular file open
 * for writing, and set its size: sparse, holes stay holes. Checks as gk_check.
 * report: size, data_bytes, chunks, ways.
 */
int gk_restore(int image_fd, int file_fd, struct gk_progress *progress, struct gk_report *report);

/*
 * List the chunks of a ghost image, resumable as gk_extents: start at
 * cursor 0, go on with *next until it is 0. The raw content of an image
 * without chunks is listed as one.
 */
int gk_chunks(int image_fd, uint64_t cursor, struct gk_extent *extents, uint32_t capacity, uint32_t *count,
	      uint64_t *next, struct gk_report *report);

/* futimens(2) with nanoseconds, which Node cannot set. */
int gk_set_times(int fd, int64_t atime_sec, int64_t atime_nsec, int64_t mtime_sec, int64_t mtime_nsec,
		 struct gk_report *report);

/*
 * FS_IOC_GETFLAGS and FS_IOC_SETFLAGS (ioctl_iflags(2)), of those flags that can
 * be given to another file: S, i, a, d and A of chattr(1). A file system
 * without flags has none; to set any there fails.
 */
int gk_get_flags(int fd, uint32_t *flags, struct gk_report *report);
int gk_set_flags(int fd, uint32_t flags, struct gk_report *report);

/* flistxattr(2) and fgetxattr(2): *length in: capacity, out: used or needed. */
int gk_list_xattrs(int fd, void *names, uint64_t *length, struct gk_report *report);
int gk_get_xattr(int fd, const char *name, void *value, uint64_t *length, struct gk_report *report);
int gk_set_xattr(int fd, const char *name, const void *value, uint64_t length, struct gk_report *report);

struct gk_dump_job {
	uint64_t ghost_fd, size, flags;	  /* as gk_dump's */
	uint64_t header_at, header_bytes; /* a part of headers */
	uint64_t name_at;     /* of the image below dir_fd, in names: there with GK_DUMP_OVER, else not yet */
	int64_t error;	      /* out: 0, or a negative errno: then there is no image of this call */
	struct gk_stat after; /* of the ghost, when it was copied */
	struct gk_report report;
};

/*
 * gk_dump for each of many ghosts, on all processors. Each is tried, and has an
 * error and a report of its own. New images are made with mode, as umask(2) allows.
 * With GK_DUMP_OVER an image that is not there, or is no regular file, is an error, too.
 */
int gk_dump_many(int dir_fd, uint32_t mode, uint32_t engine, uint32_t count, struct gk_dump_job *jobs,
		 const void *headers, const char *names, struct gk_report *report);

/* Wait until the disk has a file, and read from there from now on. */
int gk_settle(int fd, struct gk_report *report);

/*
 * The values and the layout of the structs in these headers, for callers that cannot include them and
 * compare them with what they have by heart: a line each, "GK_DUMP_OVER 4", "gk_report 312",
 * "gk_report.size 8 at 32" (bytes, offset). Returns how long the text is, without a NUL; it is cut at capacity.
 */
uint32_t gk_layout(char *text, uint32_t capacity);

/* sizeof(struct gk_report) in the low 16 bits, above it GK_ABI, which changes with this file. */
#define GK_ABI 13
uint32_t gk_abi(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * libghostkeep does everything that ghostkeep does once per extent or once per byte.
 *
 * One call handles one whole ghost, or many small ones: a container may have ten thousand, and it
 * is frozen meanwhile. No state is kept between calls, except by gk_ahead_*, gk_deadline, gk_link_*
 * and gk_send_*. A call allocates a bounded amount of memory, which does not grow with the size of the
 * file or the number of its extents.
 *
 * Every function that takes a report returns 0 or a negative errno. On failure it writes one line to
 * report->message that says what it was doing and where. On success gk_dump, gk_extents and
 * gk_send_ghost write there why the engine was used. Only gk_deadline prints, and ends the process.
 * Offsets and lengths are in bytes, and ranges are half-open.
 * Descriptors remain the caller's. A ghost's file offset is not used; an image's is undefined
 * afterwards.
 */
#ifndef GHOSTKEEP_H
#define GHOSTKEEP_H

#include <stdint.h>

#include "ghostkeep-layer.h"
#include "ghostkeep-move.h"
#include "ghostkeep-proc.h"
#include "ghostkeep-send.h"

#define GK_MESSAGE_BYTES 240

/*
 * How data is found. The values are stable, because JavaScript passes them as numbers.
 * No engine leaves out a byte that a read would return as non-zero. FIEMAP alone would: its map
 * lacks dirty pages over unwritten extents, and on some file systems dirty pages over holes. So
 * lseek(2), which sees the page cache, decides inside what the map calls unwritten, and inside the
 * map's gaps. ext4's map shows dirty pages over holes, so there lseek is not asked about gaps any more
 * once it has found one whole gap empty. Data that lseek finds in such ranges is read, and left out if
 * it is zero.
 * Where the file system does not support an engine, fiemap gives way to seek and seek to read, from
 * the offset reached. report->engine is the last engine used. If read is used although the caller
 * has not asked for it by name, and would read more than GK_READ_HOLES_MAX bytes of holes, the call
 * fails with -EOVERFLOW, because that would take minutes.
 */
#define GK_READ_HOLES_MAX (UINT64_C(64) << 30)

enum gk_engine {
	GK_ENGINE_AUTO = 0,   /* the file system decides */
	GK_ENGINE_FIEMAP = 1, /* FS_IOC_FIEMAP, never with FIEMAP_FLAG_SYNC */
	GK_ENGINE_SEEK = 2,   /* lseek(SEEK_DATA), lseek(SEEK_HOLE) */
	GK_ENGINE_READ = 3,   /* read every byte, test blocks for zero */
};

enum gk_extent_kind {
	GK_EXTENT_DATA = 0,
	GK_EXTENT_UNWRITTEN = 1, /* allocated, reads as zero */
};

/* How bytes were moved. A report holds the set of ways that were used. */
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
#define GK_DUMP_CHUNKED 1	/* write chunks; without it, the raw bytes of the whole file */
#define GK_DUMP_DETECT_ZEROES 2 /* blocks of zeroes inside data are left out, too */
#define GK_DUMP_OVER 4		/* the image may hold anything; bytes that are right already are kept */

/*
 * Shared with another thread while a call runs. The library adds to done_bytes and reads cancel
 * with relaxed atomics. A call that sees cancel set returns -ECANCELED soon (within one window of 1
 * MiB or one clone).
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
	/*
	 * After gk_dump with GK_DUMP_OVER these three make up image_bytes: bytes that the earlier image
	 * held already, bytes that it held differently (counted in whole blocks, which were written),
	 * and bytes that were written without being compared. Other functions use them in another way,
	 * which their own comments tell.
	 */
	uint64_t kept_bytes;
	uint64_t differing_bytes;
	uint64_t uncompared_bytes;
	uint64_t failed_offset; /* where it failed, in the file that message names */
	uint32_t engine;	/* enum gk_engine that was used in the end */
	uint32_t fallbacks;	/* how often an engine gave up and the next went on */
	uint32_t ways;		/* set of enum gk_copy_way */
	uint32_t crc32c;	/* the function's comment says which bytes it is of */
	char message[GK_MESSAGE_BYTES];
};

/*
 * List the extents of fd that intersect [start, size). They come in order, do not overlap and are
 * clipped to size. Extents of one kind that touch are merged. At most capacity extents are stored;
 * *count says how many, and *next where to go on (size when there is nothing left). A range that is
 * not listed is a hole.
 * Source: Documentation/filesystems/fiemap.rst, lseek(2).
 */
int gk_extents(int fd, uint32_t engine, uint64_t size, uint64_t start, struct gk_extent *extents,
	       uint32_t capacity, uint32_t *count, uint64_t *next, struct gk_report *report);

/*
 * Write a CRIU ghost image: header_bytes of header (both magics and the ghost_file_entry, made by
 * the caller), then for each data range of ghost_fd in [0, size) one ghost_chunk_entry and its raw
 * bytes. Without GK_DUMP_CHUNKED the raw bytes of the whole file follow the header, as CRIU writes
 * files below 12 KiB.
 *
 * The chunk headers of ranges of 64 KiB or more carry a padding field, so that their raw bytes
 * start at a multiple of the image's block size (reflink).
 * image_fd must be an empty regular file, open for reading and writing. With GK_DUMP_OVER it may
 * hold anything. Bytes of the file that are in memory are compared, and written only where they differ
 * from the ghost's; all others are written. After several windows without an equal byte, only some
 * windows are compared. Nothing is reflinked. A range that is the same in the ghost and in its earlier
 * image costs two reads instead of a write.
 * Where the file holds an earlier image of a ghost, data stays where that image has it, as far as
 * possible. So there may be several chunks for one data range, there may be chunks without data, which
 * fill gaps, and chunks that had no room in front of others are at the end.
 * When the ghost turns out to be shorter than size, the call fails with -ESTALE, and failed_offset
 * says where the ghost ends. When it is longer, only the bytes below size are dumped.
 * With GK_ENGINE_READ no chunk is much longer than 64 MiB, so that each byte is still in memory
 * when it is copied.
 * report: data_bytes, chunks (0 when not chunked), unwritten_bytes, image_bytes, kept_bytes,
 * differing_bytes, uncompared_bytes, engine, fallbacks, ways.
 */
int gk_dump(int ghost_fd, int image_fd, uint32_t engine, uint64_t size, const void *header,
	    uint64_t header_bytes, uint32_t flags, struct gk_progress *progress, struct gk_report *report);

/*
 * Write the dirty pages of fd in [0, size) to disk and wait for that. It saves a later reflink of their
 * blocks from having to do so. The pages need not survive a power cut: sync_file_range(2).
 */
int gk_write_back(int fd, uint64_t size, struct gk_progress *progress, struct gk_report *report);

/*
 * List the parts of fd that are allocated but hold no data: unwritten extents, and everything
 * past size. Call it again with *next, as gk_extents, but here *next is 0 when there is nothing
 * left. A part is listed whole even if there are dirty pages in it, because to allocate it in another
 * file loses nothing.
 * -EOPNOTSUPP where there is no FIEMAP.
 */
int gk_allocation(int fd, uint64_t size, uint64_t start, struct gk_extent *extents, uint32_t capacity,
		  uint32_t *count, uint64_t *next, struct gk_report *report);

/*
 * fallocate(2) with FALLOC_FL_KEEP_SIZE: existing data is kept, and the rest of the range is
 * allocated and reads as zero.
 */
int gk_allocate(int fd, uint64_t offset, uint64_t length, struct gk_report *report);

/*
 * Walk a ghost image, which is taken for hostile input, and check its structure: both magics and a
 * complete ghost_file_entry; chunks that are complete, inside size and do not overlap, in ascending
 * order that goes back once at most; nothing behind the last chunk. When the structure is wrong, the
 * call fails with -EBADMSG, and the message names the offset.
 * report: size, data_bytes, chunks, image_bytes.
 */
int gk_check(int image_fd, struct gk_progress *progress, struct gk_report *report);

/* Compute the crc32c of all bytes of a file (report: crc32c, image_bytes). */
int gk_digest(int fd, struct gk_progress *progress, struct gk_report *report);

/*
 * Go on with a crc32c, which begins with 0: returns the crc32c of all bytes that were given before and
 * of length more bytes. This is for bytes that have no file of their own, such as a member of an archive.
 */
uint32_t gk_crc32c(uint32_t crc32c, const void *bytes, uint64_t length);

/*
 * Write the data of a ghost image into file_fd, an empty regular file open for writing, and set its
 * size. Holes stay holes. The image is checked as by gk_check.
 * report: size, data_bytes, chunks, ways.
 */
int gk_restore(int image_fd, int file_fd, struct gk_progress *progress, struct gk_report *report);

/*
 * Copy the data of `from` in [0, size) into `to`, an empty regular file open for reading and writing, at
 * the same offsets, and set the size of `to`. Holes stay holes, and blocks are reflinked where that is
 * possible. Data that comes into a hole during the call may be missing in the copy, so the caller looks
 * whether `from` has changed meanwhile. -ESTALE where `from` turns out to be shorter.
 * report: size, data_bytes, chunks, unwritten_bytes, engine, fallbacks, ways.
 */
int gk_copy(int from, int to, uint32_t engine, uint64_t size, struct gk_progress *progress,
	    struct gk_report *report);

/*
 * List the chunks of a ghost image in the order of the image, resumable as gk_extents is: start at
 * cursor 0, and go on with *next until it is 0. The raw content of an image without chunks is
 * listed as one chunk.
 */
int gk_chunks(int image_fd, uint64_t cursor, struct gk_extent *extents, uint32_t capacity, uint32_t *count,
	      uint64_t *next, struct gk_report *report);

/* futimens(2) with nanoseconds, which Node.js cannot set. */
int gk_set_times(int fd, int64_t atime_sec, int64_t atime_nsec, int64_t mtime_sec, int64_t mtime_nsec,
		 struct gk_report *report);

/*
 * FS_IOC_GETFLAGS and FS_IOC_SETFLAGS (ioctl_iflags(2)), restricted to the flags that can be set on
 * another file: S, i, a, d and A of chattr(1). On a file system without flags, gk_get_flags returns none,
 * and gk_set_flags fails if it is to set any.
 */
int gk_get_flags(int fd, uint32_t *flags, struct gk_report *report);
int gk_set_flags(int fd, uint32_t flags, struct gk_report *report);

/*
 * flistxattr(2), fgetxattr(2) and fsetxattr(2). *length is the capacity before the call, and the
 * length used or needed after it.
 */
int gk_list_xattrs(int fd, void *names, uint64_t *length, struct gk_report *report);
int gk_get_xattr(int fd, const char *name, void *value, uint64_t *length, struct gk_report *report);
int gk_set_xattr(int fd, const char *name, const void *value, uint64_t length, struct gk_report *report);

struct gk_dump_job {
	uint64_t ghost_fd, size, flags;	  /* parameters of gk_dump */
	uint64_t header_at, header_bytes; /* which part of headers is this ghost's */
	/*
	 * Offset in names at which the image's path begins. The path is relative to dir_fd. With
	 * GK_DUMP_OVER the image must exist already; without that flag it must not exist yet.
	 */
	uint64_t name_at;
	/* Out: 0, or a negative errno: then this call has left no image. */
	int64_t error;
	struct gk_stat after; /* of the ghost, after it was copied */
	struct gk_report report;
};

/*
 * gk_dump for each of many ghosts, on all processors. Every ghost is tried, and has an error and a
 * report of its own. New images get mode, as umask(2) allows. With GK_DUMP_OVER it is an error if
 * an image does not exist or is no regular file.
 */
int gk_dump_many(int dir_fd, uint32_t mode, uint32_t engine, uint32_t count, struct gk_dump_job *jobs,
		 const void *headers, const char *names, struct gk_report *report);

/*
 * Rename count files from the directory from_fd to the directory to_fd, in order. names has two names for
 * each, the old and the new, each with a NUL behind it. It ends at the first file that cannot be renamed;
 * done is the number of files before that.
 */
int gk_rename_many(int from_fd, int to_fd, uint32_t count, const char *names, uint32_t *done,
		   struct gk_report *report);

/* Wait until the disk has the whole file, and drop its pages, so that later reads come from the disk. */
int gk_settle(int fd, struct gk_report *report);

/*
 * Write the values and struct layouts of these headers as text. Callers that cannot include the
 * headers compare it with their own copy. Each line is like "GK_DUMP_OVER 4", "gk_report 312" or
 * "gk_report.size 8 at 32" (bytes, offset). text ends with a NUL; lines that do not fit into capacity
 * are cut off. Like snprintf(3), it returns the length of the whole text without the NUL. If that is not
 * below capacity, the text was cut.
 */
uint32_t gk_layout(char *text, uint32_t capacity);

/*
 * Returns sizeof(struct gk_report) in the low 16 bits and GK_ABI above them. GK_ABI must change when the
 * interface in this file changes.
 */
#define GK_ABI 17
uint32_t gk_abi(void);

#endif

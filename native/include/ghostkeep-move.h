/* SPDX-License-Identifier: MIT */
/*
 * The part of libghostkeep that moves ghosts to another host: frames over two descriptors, and what
 * a receiver keeps. src/move/PROTOCOL.md describes the bytes. ghostkeep.h has the rules for all
 * functions.
 */
#ifndef GHOSTKEEP_MOVE_H
#define GHOSTKEEP_MOVE_H

#include <stdint.h>

struct gk_progress;
struct gk_report;

#define GK_GREETING_BYTES 16
#define GK_FRAME_HEAD_BYTES 16
#define GK_FRAME_PAYLOAD_MAX ((1 << 20) + 64)

/* Content is compared in blocks of this size. The table has an entry for each block. */
#define GK_MOVE_BLOCK_BYTES 16384
#define GK_MOVE_ENTRY_BYTES 32
/* A block that has changed in part is sent in pages of this size. */
#define GK_MOVE_PAGE_BYTES 4096
/* The most pages of one `patch`, and the bytes before its list of ranges. */
#define GK_MOVE_PATCH_PAGES 192
#define GK_MOVE_PATCH_HEAD_BYTES 64
/* The largest range of one `same`, in blocks. */
#define GK_MOVE_SAME_BLOCKS 1024

/*
 * Open one side of a connection. in_fd and out_fd remain the caller's. They may be pipes, sockets or
 * files, and blocking or not. out_fd is -1 where nothing will be sent. dead_ms is how long a call
 * waits while the other side sends or takes nothing. *link is state that is kept between calls, until
 * gk_link_close. Only one thread may read, and another may send meanwhile.
 */
int gk_link_open(int in_fd, int out_fd, uint32_t dead_ms, uint64_t *link, struct gk_report *report);

/*
 * Exchange greetings, which come before the first frame: send the 16 bytes at ours, then receive 16 bytes
 * into theirs. Either may be NULL. -ENODATA if the other side ended before it sent 16 bytes.
 */
int gk_link_greet(uint64_t link, const void *ours, void *theirs, struct gk_report *report);

/* Start a thread that sends `alive` whenever nothing else was sent for every_ms. */
int gk_link_beat(uint64_t link, uint32_t every_ms, struct gk_report *report);

/*
 * Receive a frame: head and payload, as on the wire, into frame, which has room for
 * GK_FRAME_HEAD_BYTES + GK_FRAME_PAYLOAD_MAX. A frame `alive` is not returned. If no byte comes within
 * wait_ms, the call returns -EAGAIN. If wait_ms is UINT32_MAX, it waits for dead_ms, and returns
 * -ETIMEDOUT.
 * -ENODATA: the other side ended between two frames. -ECONNRESET: inside a frame.
 * -EBADMSG: a wrong length, sequence or sum.
 */
int gk_link_receive(uint64_t link, uint32_t wait_ms, void *frame, struct gk_report *report);

/* Send a frame. *sequence is the number that the frame got. */
int gk_link_send(uint64_t link, uint32_t type, const void *payload, uint32_t length, uint32_t *sequence,
		 struct gk_report *report);

/* End the thread of gk_link_beat and free what is kept. The descriptors stay open. */
int gk_link_close(uint64_t link, struct gk_report *report);

/*
 * A receiver's ghost is two files: data_fd has the content at its own offsets, and table_fd has an entry
 * for each block. Both are regular files open for reading and writing. Nothing is fsynced but by
 * gk_store_sync. Offsets are multiples of GK_MOVE_BLOCK_BYTES, and so are lengths, except that the
 * last block of the ghost may be shorter.
 */

/*
 * Cut or extend the ghost to size. If that cuts the ghost inside a block, the table says `unknown` for
 * this block.
 */
int gk_store_resize(int data_fd, int table_fd, uint64_t size, struct gk_report *report);

/*
 * Write length bytes (GK_FRAME_PAYLOAD_MAX at most). Before they are written, the table says `unknown` for
 * their blocks. The caller gets the blocks' new entries (32 bytes for each), and writes them by
 * gk_table_put() when the bytes are on the disk. *fresh is how many of the blocks were zero.
 */
int gk_store_data(int data_fd, int table_fd, uint64_t offset, const void *bytes, uint32_t length,
		  void *entries, uint32_t *fresh, struct gk_report *report);

struct gk_patch {
	uint64_t offset, length;
	uint32_t runs;	/* how many runs of pages there are */
	uint32_t bytes; /* how many bytes these pages have together */
	unsigned char digest[GK_MOVE_ENTRY_BYTES];
};

/*
 * Write some pages of the range [offset, offset + length), which has GK_MOVE_SAME_BLOCKS at most, lies in
 * the ghost, and ends with a block of it or with the ghost. runs has a pair of 32-bit numbers for each run
 * of pages: the first page, counted from offset, and how many there are. Runs ascend. bytes has the pages,
 * one behind the other; only the last page of the ghost may be shorter. Before they are written, the table
 * says `unknown` for their blocks. The caller gets the new
 * entries of all blocks of the range (32 bytes for each), and writes them by gk_table_put() when the disk
 * has the bytes, but only if the range has the digest: BLAKE3 of these entries. Otherwise the blocks stay
 * unknown. counts gets 1 if the range has the digest, how many of the changed blocks were zero, and how many
 * blocks have changed pages.
 */
int gk_store_patch(int data_fd, int table_fd, const struct gk_patch *patch, const void *runs,
		   const void *bytes, void *entries, uint32_t counts[3], struct gk_report *report);

/*
 * Make a range zero, as a hole if the file system can make holes. *freed is how many blocks were not zero
 * before.
 */
int gk_store_zero(int data_fd, int table_fd, uint64_t offset, uint64_t length, uint64_t *freed,
		  struct gk_report *report);

/* fsync(2) for this file, or with whole syncfs(2) for everything that was written to its file system. */
int gk_store_sync(int fd, uint32_t whole, struct gk_report *report);

/* Write count entries of the table, from that of block first on. */
int gk_table_put(int table_fd, uint64_t first, uint32_t count, const void *entries, struct gk_report *report);

/*
 * Put BLAKE3 of count entries, one behind the other, into digest (32 bytes). The table reads as zero behind
 * its end. *unknown is 1 if at least one entry is unknown: then the digest says nothing about content.
 */
int gk_table_digest(int table_fd, uint64_t first, uint32_t count, void *digest, uint32_t *unknown,
		    struct gk_report *report);

/*
 * These three functions, called in this order, turn the file of a ghost's content into a ghost image.
 * Between the calls, the caller fsyncs the file and notes how far it is, so that each step can be repeated
 * after a crash.
 *
 * gk_shape_runs: list the ranges of blocks that are not zero, and the first block in any case. runs gets a
 * pair for each range: its first block, and the block behind its last one. -E2BIG: there are more than room
 * ranges. data_bytes in the report says how many bytes the ranges have.
 *
 * gk_shape_tail: write a copy of the first block behind the ghost. -EOPNOTSUPP: the headers have no room in
 * the holes, and nothing was changed. size is that of the ghost, without this tail.
 *
 * gk_shape_heads: write the head of the image over the first block, and headers of chunks into the holes. The
 * file is then a ghost image. size, header_bytes and runs must be those that gk_shape_tail got.
 */
int gk_shape_runs(int table_fd, uint64_t size, uint64_t *runs, uint32_t room, uint32_t *count,
		  struct gk_report *report);
int gk_shape_tail(int data_fd, uint64_t size, uint64_t header_bytes, const uint64_t *runs, uint32_t count,
		  struct gk_report *report);
int gk_shape_heads(int data_fd, uint64_t size, const void *header, uint64_t header_bytes,
		   const uint64_t *runs, uint32_t count, struct gk_report *report);

/* Read a ghost's content and write its table. table_fd is an empty file. */
int gk_table_make(int data_fd, int table_fd, struct gk_progress *progress, struct gk_report *report);

#endif

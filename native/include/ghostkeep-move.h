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
/* The largest range of one `same`, in blocks. */
#define GK_MOVE_SAME_BLOCKS 1024

/*
 * One side of a connection. in_fd and out_fd remain the caller's. They may be pipes, sockets or
 * files, and blocking or not. out_fd is -1 where nothing will be sent. dead_ms is how long a call
 * waits for the other side while that sends or takes nothing. *link is state that is kept between
 * calls, until gk_link_close. Only one thread may read, and another may send meanwhile.
 */
int gk_link_open(int in_fd, int out_fd, uint32_t dead_ms, uint64_t *link, struct gk_report *report);

/*
 * Send the 16 bytes of `ours` and receive those of `theirs`, in this order. Either may be NULL. Both come
 * before the first frame. -ENODATA if the other side ended before it sent 16 bytes.
 */
int gk_link_greet(uint64_t link, const void *ours, void *theirs, struct gk_report *report);

/* Start a thread that sends `alive` whenever nothing else was sent for every_ms. */
int gk_link_beat(uint64_t link, uint32_t every_ms, struct gk_report *report);

/*
 * Receive a frame: head and payload, as on the wire, into frame, which has room for
 * GK_FRAME_HEAD_BYTES + GK_FRAME_PAYLOAD_MAX. `alive` is not returned. wait_ms is how long to wait
 * for its first byte (then -EAGAIN); with UINT32_MAX it is dead_ms, and then -ETIMEDOUT.
 * -ENODATA: the other side ended between two frames. -ECONNRESET: inside a frame.
 * -EBADMSG: a wrong length, sequence or sum.
 */
int gk_link_receive(uint64_t link, uint32_t wait_ms, void *frame, struct gk_report *report);

/* Send a frame. *sequence is the number that it got. */
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

/* Cut or extend the ghost to size. Blocks whose content changes by it are unknown then. */
int gk_store_resize(int data_fd, int table_fd, uint64_t size, struct gk_report *report);

/*
 * Write length bytes (GK_FRAME_PAYLOAD_MAX at most). The table says `unknown` for their blocks from
 * before they are written. entries gets what the table will say about them when they are on the
 * disk (32 bytes for each block, gk_table_put writes it). *fresh is how many of the blocks were zero.
 */
int gk_store_data(int data_fd, int table_fd, uint64_t offset, const void *bytes, uint32_t length,
		  void *entries, uint32_t *fresh, struct gk_report *report);

/* Make a range zero, as a hole where the file system has holes. *freed is how many blocks were not zero. */
int gk_store_zero(int data_fd, int table_fd, uint64_t offset, uint64_t length, uint64_t *freed,
		  struct gk_report *report);

/* fsync(2), or with whole syncfs(2): everything that was written to this file system. */
int gk_store_sync(int fd, uint32_t whole, struct gk_report *report);

/* Write count entries, the first of which is that of block first. */
int gk_table_put(int table_fd, uint64_t first, uint32_t count, const void *entries, struct gk_report *report);

/*
 * BLAKE3 of count entries, one behind the other, in digest (32 bytes). The table reads as zero behind its
 * end. *unknown is 1 if one of them is unknown: then the digest says nothing about content.
 */
int gk_table_digest(int table_fd, uint64_t first, uint32_t count, void *digest, uint32_t *unknown,
		    struct gk_report *report);

/*
 * An image is made of a ghost's content where it is, in three steps. In between, the caller fsyncs the
 * ghost and notes what it does, so that each step can be repeated after a crash.
 *
 * gk_shape_runs: the ranges of blocks that are not zero, and the first block in any case. runs gets a pair
 * for each: its first block, and the block behind its last one. -E2BIG: there are more than room.
 * data_bytes in the report says how much they have.
 *
 * gk_shape_tail: write the first block once more, behind the ghost. -EOPNOTSUPP: the headers have no room in
 * the holes, and nothing was changed. size is that of the ghost, whose file has a tail when this returns.
 *
 * gk_shape_heads: write the head of the image over the first block, and headers of chunks into the holes. The
 * file is then a ghost image. Both get the same size, header_bytes and runs.
 */
int gk_shape_runs(int table_fd, uint64_t size, uint64_t *runs, uint32_t room, uint32_t *count,
		  struct gk_report *report);
int gk_shape_tail(int data_fd, uint64_t size, uint64_t header_bytes, const uint64_t *runs, uint32_t count,
		  struct gk_report *report);
int gk_shape_heads(int data_fd, uint64_t size, const void *header, uint64_t header_bytes,
		   const uint64_t *runs, uint32_t count, struct gk_report *report);

/* Read a ghost and write its table. table_fd is an empty file. */
int gk_table_make(int data_fd, int table_fd, struct gk_progress *progress, struct gk_report *report);

#endif

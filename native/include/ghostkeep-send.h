/* SPDX-License-Identifier: MIT */
/*
 * The part of libghostkeep that sends ghosts to another host. ghostkeep.h includes this file, and says
 * what holds for all functions; src/move/PROTOCOL.md describes the bytes.
 *
 * When the connection breaks, the call fails with -EPIPE, -ETIMEDOUT, -EBADMSG or another errno of
 * read(2) and write(2), and so does every later call. -ECONNREFUSED means that the receiver has given
 * up; gk_send_failure() then says why. Only one thread at a time may use a sender.
 */
#ifndef GHOSTKEEP_SEND_H
#define GHOSTKEEP_SEND_H

#include <stdint.h>

struct gk_progress;
struct gk_report;

/*
 * Start a program with pipes as its stdin and stdout. arguments and environment are strings with a NUL
 * behind each, one after the other; the first argument is the path of the program. started gets three
 * numbers: the program's pid, the descriptor to write to, and the descriptor to read from.
 */
int gk_carrier_start(const char *arguments, uint32_t arguments_count, const char *environment,
		     uint32_t environment_count, int32_t started[3], struct gk_report *report);

/*
 * Close the descriptor to write to, wait for the program to end, then close the other one. If the
 * program still runs after wait_ms, it gets SIGTERM, and a second later SIGKILL. *status is its exit
 * status, or 128 plus the number of the signal that ended it.
 */
int gk_carrier_end(const int32_t started[3], uint32_t wait_ms, int32_t *status, struct gk_report *report);

/*
 * Open a connection over two descriptors, which become non-blocking and stay the caller's. The receiver
 * counts as dead when nothing comes from it for patience_ms. It also counts as dead when it sends signs of
 * life, but takes, acknowledges and answers nothing for stall_ms, unless that is 0. The greetings and its
 * first answer must come within open_ms. A thread sends `alive` until gk_send_close(), whose report says in
 * data_bytes how many bytes were acknowledged. -EPROTO where the other side does not greet as a receiver of
 * this version.
 */
int gk_send_open(int to, int from, uint32_t patience_ms, uint32_t stall_ms, uint32_t open_ms,
		 uint64_t *sender, struct gk_report *report);
int gk_send_close(uint64_t sender, struct gk_report *report);

/* Change stall_ms. With 0 the receiver may take its time, as long as it sends signs of life. */
int gk_send_patiently(uint64_t sender, uint32_t stall_ms, struct gk_report *report);

/* Set the folder of the tables for this receiver. Call it before the first gk_send_ghost(). */
int gk_send_tables(uint64_t sender, int folder, struct gk_report *report);

/* Send a frame. If awaited is not 0, gk_send_await() will wait for an answer of that type. */
int gk_send_message(uint64_t sender, uint32_t type, const void *payload, uint64_t length, uint32_t awaited,
		    struct gk_report *report);

/*
 * Wait for the answer that gk_send_message() has named. *length is the room for its payload before the
 * call, and the length of the payload after it.
 */
int gk_send_await(uint64_t sender, void *answer, uint32_t *length, struct gk_report *report);

/* Get the payload of the frame `fail`, after a call ended with -ECONNREFUSED. -ENODATA if none came. */
int gk_send_failure(uint64_t sender, void *answer, uint32_t *length, struct gk_report *report);

/*
 * Send the first size bytes of a file as a ghost. key names the ghost and its table. -ESTALE where the
 * file turns out to be shorter: the receiver then has zeroes for the rest, and the ghost can be sent again.
 * report: size, data_bytes, chunks, unwritten_bytes, kept_bytes (sent as `same`), differing_bytes (sent as
 * data), image_bytes (all that was written to the connection), engine, fallbacks, message.
 */
int gk_send_ghost(uint64_t sender, int ghost_fd, uint32_t engine, uint64_t size, const char *key,
		  struct gk_progress *progress, struct gk_report *report);

/*
 * Find the first ghost, from the handle `from` on, that the receiver needs again. *needed is its handle, or
 * UINT32_MAX. The first call of gk_send_ghost() has handle 0, the second one has 1, and so on.
 */
int gk_send_needed(uint64_t sender, uint32_t from, uint32_t *needed, struct gk_report *report);

/*
 * Send the content of a file, and its digest. The caller has announced it by a frame `file`.
 * report: size, image_bytes.
 */
int gk_send_file(uint64_t sender, int fd, uint64_t size, struct gk_progress *progress,
		 struct gk_report *report);

#endif

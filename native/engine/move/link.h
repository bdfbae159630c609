/* SPDX-License-Identifier: MIT */
/*
 * Frames over two descriptors (src/move/PROTOCOL.md). ghostkeep-move.h has the contract of the
 * functions that JavaScript calls; those here are for the engine itself.
 */
#ifndef GK_MOVE_LINK_H
#define GK_MOVE_LINK_H

#include <stdint.h>
#include <sys/uio.h>

#include "ghostkeep.h"

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_GHOST = 2,
	FRAME_DATA = 3,
	FRAME_ZERO = 4,
	FRAME_UNWRITTEN = 5,
	FRAME_SAME = 6,
	FRAME_END = 7,
	FRAME_COMMIT = 8,
	FRAME_FILE_DATA = 10,
	FRAME_FILE_END = 11,
	FRAME_PATCH = 13,
	FRAME_WELCOME = 65,
	FRAME_ACK = 66,
	FRAME_NEED = 67,
	FRAME_COMMITTED = 68,
	FRAME_FAIL = 70,
	FRAME_ALIVE = 127,
};

/* A payload is sent from at most this many pieces. */
#define LINK_PIECES 4

struct link;

struct frame {
	uint32_t type, length, sequence;
	const unsigned char *payload; /* in the buffer that the caller gave */
};

/* Numbers on the wire are little-endian. */
static inline void put_number(unsigned char *to, uint64_t value, int bytes)
{
	for (; bytes; bytes--, value >>= 8)
		*to++ = (unsigned char)value;
}

static inline uint64_t get_number(const unsigned char *from, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | from[bytes];
	return value;
}

/* Send a frame whose payload is made of LINK_PIECES pieces at most. It changes the vector. */
int link_send(struct link *link, uint32_t type, struct iovec *pieces, int count, uint32_t *sequence,
	      struct gk_report *report);

/*
 * Set the deadline of all that the caller sends or receives from now on, as a time of now_ms(). After
 * it, link_send() and link_receive() fail with -ETIMEDOUT, even if the other side goes on to say that
 * it is alive. UINT64_MAX takes the deadline back.
 */
void link_until(struct link *link, uint64_t until_ms);

/* As gk_link_receive(), into buffer. *frame says what came, and points into buffer. */
int link_receive(struct link *link, uint32_t wait_ms, void *buffer, struct frame *frame,
		 struct gk_report *report);

#endif

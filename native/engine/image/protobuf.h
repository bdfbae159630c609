/* SPDX-License-Identifier: MIT */
/*
 * Reads as much of protobuf's wire format as is needed to walk a message from a stranger. Source:
 * protobuf.dev/programming-guides/encoding.
 */
#ifndef GK_PROTOBUF_H
#define GK_PROTOBUF_H

#include <stdbool.h>
#include <stdint.h>

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5, /* 3 and 4 are groups, which nobody writes any more */
};

struct field {
	uint32_t number;
	uint32_t wire;
	uint64_t value;		    /* of a WIRE_VARINT */
	const unsigned char *bytes; /* of WIRE_BYTES */
	uint64_t length;
};

struct message {
	const unsigned char *at;
	const unsigned char *end;
};

/* Give the next field. Returns 1, 0 at the end of the message, or -1 where it is malformed. */
int next_field(struct message *message, struct field *field);

/* Whether every field of a message can be walked. */
bool is_message(const unsigned char *bytes, uint64_t length);

#endif

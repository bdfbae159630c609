// SPDX-License-Identifier: MIT
#include <string.h>

#include "image/image-entries.h"
#include "image/protobuf.h"

/* The wire type of each known field of ghost_file_entry, and the fields that must be there. */
static const uint8_t ghost_wire[] = {
	[1] = WIRE_VARINT, [2] = WIRE_VARINT,  [3] = WIRE_VARINT, /* uid, gid, mode */
	[4] = WIRE_VARINT, [5] = WIRE_VARINT,  [6] = WIRE_VARINT, /* dev, ino, rdev */
	[7] = WIRE_BYTES,  [8] = WIRE_BYTES,			  /* atim, mtim */
	[9] = WIRE_VARINT, [10] = WIRE_VARINT,			  /* chunks, size */
	[11] = WIRE_BYTES,					  /* symlnk_target */
};
enum {
	ATIM = 7,
	MTIM = 8,
	CHUNKS = 9,
	SIZE = 10,
	KNOWN = sizeof(ghost_wire)
};
#define REQUIRED_GHOST_FIELDS 0x3e /* 1 to 5 */

const char *parse_ghost_entry(const unsigned char *bytes, uint64_t length, struct ghost_entry *entry)
{
	struct message message = { bytes, bytes + length };
	struct field field;
	uint32_t seen = 0;
	int got;

	memset(entry, 0, sizeof(*entry));
	while ((got = next_field(&message, &field)) > 0) {
		if (field.number >= KNOWN)
			continue;
		if (field.wire != ghost_wire[field.number])
			return "a field of the ghost entry has the wrong type";
		seen |= 1u << field.number;
		switch (field.number) {
		case ATIM:
		case MTIM:
			if (!is_message(field.bytes, field.length))
				return "a time of the ghost entry is malformed";
			break;
		case CHUNKS:
			entry->chunks = field.value != 0;
			break;
		case SIZE:
			entry->has_size = true;
			entry->size = field.value;
			break;
		}
	}
	if (got < 0)
		return "the ghost entry is malformed";
	if ((seen & REQUIRED_GHOST_FIELDS) != REQUIRED_GHOST_FIELDS)
		return "the ghost entry lacks uid, gid, mode, dev or ino";
	if (entry->chunks && !entry->has_size)
		return "the ghost entry has chunks but no size";
	if (entry->size > INT64_MAX)
		return "the ghost entry has an impossible size";
	return NULL;
}

const char *parse_chunk_entry(const unsigned char *bytes, uint64_t length, struct chunk_entry *entry)
{
	struct message message = { bytes, bytes + length };
	struct field field;
	uint32_t seen = 0;
	int got;

	memset(entry, 0, sizeof(*entry));
	while ((got = next_field(&message, &field)) > 0) {
		if (field.number > 2)
			continue;
		if (field.wire != WIRE_VARINT)
			return "len or off of a chunk has the wrong type";
		seen |= field.number;
		if (field.number == 1)
			entry->length = field.value;
		else
			entry->offset = field.value;
	}
	if (got < 0)
		return "a chunk's header is malformed";
	if (seen != 3)
		return "a chunk's header lacks len or off";
	return NULL;
}

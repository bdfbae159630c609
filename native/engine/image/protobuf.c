// SPDX-License-Identifier: MIT
#include "image/protobuf.h"

static bool get_varint(struct message *message, uint64_t *value)
{
	uint32_t shift;

	*value = 0;
	for (shift = 0; shift < 64 && message->at < message->end; shift += 7) {
		uint64_t byte = *message->at++;

		if (shift == 63 && byte > 1) /* more than 64 bits */
			return false;
		*value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool skip(struct message *message, uint64_t length)
{
	if (length > (uint64_t)(message->end - message->at))
		return false;
	message->at += length;
	return true;
}

int next_field(struct message *message, struct field *field)
{
	uint64_t key;
	bool good;

	if (message->at == message->end)
		return 0;
	if (!get_varint(message, &key) || key > UINT32_MAX || key >> 3 == 0)
		return -1;
	*field = (struct field){ .number = (uint32_t)(key >> 3), .wire = key & 7 };
	switch (field->wire) {
	case WIRE_VARINT:
		good = get_varint(message, &field->value);
		break;
	case WIRE_FIXED64:
		good = skip(message, 8);
		break;
	case WIRE_FIXED32:
		good = skip(message, 4);
		break;
	case WIRE_BYTES:
		good = get_varint(message, &field->length);
		field->bytes = message->at;
		good = good && skip(message, field->length);
		break;
	default:
		good = false;
	}
	return good ? 1 : -1;
}

bool is_message(const unsigned char *bytes, uint64_t length)
{
	struct message message = { bytes, bytes + length };
	struct field field;
	int got;

	while ((got = next_field(&message, &field)) > 0)
		;
	return got == 0;
}

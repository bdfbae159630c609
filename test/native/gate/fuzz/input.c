// SPDX-License-Identifier: MIT
/*
 * Makes scripts of a hostile helper: lines of the protocol, lines that nearly are, and random
 * bytes.
 */
#include <stdio.h>
#include <string.h>

#include "build-id.h"
#include "fuzz.h"

static uint64_t state;

void random_start(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15u;
	pick(2);
}

uint64_t pick(uint64_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % below;
}

static void put(struct part *part, const void *bytes, size_t length)
{
	size_t room = sizeof(part->bytes) - part->length;

	length = length < room ? length : room;
	memcpy(part->bytes + part->length, bytes, length);
	part->length += length;
}

static void put_text(struct part *part, const char *text)
{
	put(part, text, strlen(text));
}

/* Adds text, control characters, halves of UTF-8 characters, C1; seldom a newline or a NUL. */
static void put_any(struct part *part, size_t length)
{
	static const char *const odd[] = {
		"\303\244", "\302\205", "\302", "\342\202\254", "\342\202", "\360\237\246\212",
		"\033[2J",  "\x7f",	"%s%n", "\t",		"\xff",
	};

	while (length--) {
		char byte = (char)('a' + pick(26));

		if (!pick(12))
			put_text(part, odd[pick(sizeof(odd) / sizeof(odd[0]))]);
		else
			put(part, &byte, 1);
	}
}

static void put_filler(struct part *part, size_t length)
{
	static const char filler[5000] = { [0 ... 4999] = 'k' };

	put(part, filler, length);
}

/* Adds a number with about as many digits as are allowed, or a few more or fewer. */
static void put_hex(struct part *part, size_t digits_max)
{
	static const char digits[] = "0123456789abcdef0000AFgx -:]";
	size_t i, length = pick(8) ? 1 + pick(digits_max) : pick(digits_max + 3);
	bool strict = pick(12);

	for (i = 0; i < length; i++)
		put(part, digits + pick(strict ? 16 : sizeof(digits) - 1), 1);
}

static void put_file_key(struct part *part)
{
	put_text(part, "file[");
	put_hex(part, 8);
	put_text(part, ":");
	put_hex(part, 16);
	put_text(part, pick(40) ? "]" : "]]");
}

static void put_mount_key(struct part *part)
{
	put_text(part, "mnt[");
	if (pick(4))
		put_text(part, "/some where");
	else if (pick(2))
		put_filler(part, 3985 + pick(20));
	else
		put_any(part, pick(20));
	put_text(part, pick(20) ? "]" : "");
}

static void put_line(struct part *part, bool brings_keys)
{
	static const char *const words[] = { "progress", "note", "warn" };
	static const char *const wrong[] = {
		"done ",    "done x", "Done",	      "",
		" ",	    "ready",  "ready 4",      "ready 4 " BUILD_ID,
		"external", "lookup", "lookupmnt[a]", "value x",
		"refused",  "doner",  "external  ",
	};

	switch (pick(20)) {
	case 0 ... 6:
		put_text(part, brings_keys || !pick(10) ? "external " : "lookup ");
		if (brings_keys)
			put_file_key(part);
		else
			put_mount_key(part);
		break;
	case 7 ... 9:
		put_text(part, "lookup ");
		put_mount_key(part);
		break;
	case 10 ... 15:
		put_text(part, words[pick(3)]);
		put_text(part, pick(20) ? " " : "");
		if (pick(4))
			put_any(part, pick(60));
		else
			put_any(part, 850 + pick(80));
		break;
	case 16: /* about the longest line that fits */
		put_text(part, "note ");
		put_filler(part, 4080 + pick(20));
		break;
	case 17:
		put_text(part, pick(3) ? "progress" : wrong[pick(sizeof(wrong) / sizeof(wrong[0]))]);
		break;
	case 18:
		put_text(part, pick(3) ? "note x" : "refuse ");
		put_any(part, pick(2) ? 0 : pick(1500));
		break;
	default:
		put_text(part, "progress 1");
	}
	put_text(part, pick(60) ? "\n" : "\r\n");
}

static void spoil(struct part *part)
{
	uint64_t times = 1 + pick(4);

	while (part->length && times--) {
		size_t at = pick(part->length);

		switch (pick(5)) {
		case 0:
			part->bytes[at] ^= (char)(1 << pick(8));
			break;
		case 1:
			part->bytes[at] = (char)pick(256);
			break;
		case 2:
			part->bytes[at] = pick(2) ? '\0' : '\n';
			break;
		case 3:
			part->length = at;
			break;
		default:
			memmove(part->bytes + at, part->bytes + at + 1, part->length - at - 1);
			part->length--;
		}
	}
}

static void make_part(struct part *part, bool first)
{
	uint64_t lines = pick(8) ? pick(6) : pick(40);

	part->length = 0;
	part->brings_keys = !first && pick(3);
	while (lines--)
		put_line(part, part->brings_keys);
	if (pick(12))
		put_text(part, first ? "ready 4 " BUILD_ID "\n" : "done\n");
	if (!pick(12))
		put_line(part, true); /* nobody has asked for it */
	if (!pick(first ? 12 : 4))
		spoil(part);
}

void make_script(struct script *script)
{
	unsigned int i;

	script->requests = 1 + (unsigned int)pick(REQUESTS_MAX);
	script->hangs_up = pick(2);
	script->keys_before_refusal = pick(8) ? ~0U : (unsigned int)pick(3);
	/* otherwise few scripts would come past the first */
	make_part(&script->parts[0], true);
	if (pick(4)) {
		script->parts[0].length = 0;
		put_text(&script->parts[0], "ready 4 " BUILD_ID "\n");
	}
	for (i = 1; i <= script->requests; i++)
		make_part(&script->parts[i], false);
}

// SPDX-License-Identifier: MIT
/* Ghost images made to be misread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "forge.h"
#include "tap.h"

static void expect_bad(const struct place *place, uint64_t offset, const char *words)
{
	struct gk_report report;
	int error = verdict(place, &report);

	expect(error == -EBADMSG && report.failed_offset == offset && strstr(report.message, words),
	       "%d at %lu, wanted %lu: %s", error, report.failed_offset, offset, report.message);
}

static void truncations(const struct place *place)
{
	struct gk_report report;
	uint32_t whole, ends[4], n = 0, i, at;

	begin(place->name, "an image that is cut at any byte is refused");
	start(120);
	ends[n++] = forged_bytes;
	for (i = 0; i < 3; i++) {
		put_chunk(20, (unsigned char)(i * 40));
		ends[n++] = forged_bytes;
	}
	whole = forged_bytes;
	expect(!verdict(place, &report) && report.chunks == 3 && report.data_bytes == 60, "%s",
	       report.message);
	for (at = 0; at < whole; at++) {
		bool sound = at == ends[0] || at == ends[1] || at == ends[2];
		int error;

		forged_bytes = at; /* what is cut between two chunks cannot be seen */
		error = verdict(place, &report);
		expect(error == (sound ? 0 : -EBADMSG), "cut at %u: %d %s", at, error, report.message);
	}
}

static void bad_heads(const struct place *place)
{
	static const unsigned char lacking[] = { 8, 1, 16, 1, 24, 1, 32, 1, 72, 1, 80, 9 };
	static const unsigned char no_size[] = { 8, 1, 16, 1, 24, 1, 32, 1, 40, 1, 72, 1 };
	static const unsigned char typed[] = { 10, 1, 1, 16, 1, 24, 1, 32, 1, 40, 1 };
	uint32_t i;

	begin(place->name, "an image with a wrong magic number is refused");
	start(9);
	forged[0] ^= 1;
	expect_bad(place, 0, "CRIU image magic");
	start(9);
	forged[7] ^= 1;
	expect_bad(place, 4, "ghost file magic");
	begin(place->name, "a ghost entry that lacks a field or has one of a wrong type is refused");
	start(9);
	forged_bytes = 8;
	put_entry(lacking, sizeof(lacking));
	expect_bad(place, 8, "lacks");
	forged_bytes = 8;
	put_entry(no_size, sizeof(no_size));
	expect_bad(place, 8, "no size");
	forged_bytes = 8;
	put_entry(typed, sizeof(typed));
	expect_bad(place, 8, "wrong type");
	forged_bytes = 8;
	put_entry("\x52\xff", 2);
	expect_bad(place, 8, "malformed");
	start(INT64_MAX);
	for (i = 8; i < forged_bytes; i++) /* its size, one bit more */
		if (forged[i] == 0x7f && i == forged_bytes - 1)
			forged[i] = 0xff;
	forged[forged_bytes++] = 1;
	forged[8]++;
	expect_bad(place, 8, "impossible size");
	begin(place->name, "a ghost entry that is too large is refused");
	start(9);
	memcpy(forged + 8, "\x01\x00\x10\x00", 4);
	expect_bad(place, 8, "too long");
}

static void bad_chunks(const struct place *place)
{
	static const struct {
		const char *name, *entry;
		uint32_t length;
		const char *words;
	} entries[] = {
		{ "empty", "", 0, "lacks" },
		{ "without off", "\x08\x01", 2, "lacks" },
		{ "len as bytes", "\x0a\x01\x01\x10\x01", 5, "type" },
		{ "an endless varint", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "malformed" },
		{ "a varint of 65 bits", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x10\x00", 13,
		  "malformed" },
		{ "a varint that ends outside", "\x10\x00\x08\x80", 4, "malformed" },
		{ "field number 0", "\x00\x01\x08\x01\x10\x00", 6, "malformed" },
		{ "a group", "\x08\x01\x10\x00\x1b\x1c", 6, "malformed" },
		{ "bytes that pass the entry", "\x08\x01\x10\x00\x1a\x05\x00", 7, "malformed" },
		{ "bytes of 2^63", "\x08\x01\x10\x00\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 14,
		  "malformed" },
		{ "off + len past 2^64", "\x08\x14\x10\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13,
		  "passes" },
		{ "len past 2^64", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05", 13, "passes" },
	};
	uint32_t i, header, second;
	struct gk_report report;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		begin(place->name, "a chunk header: %s", entries[i].name);
		start(120);
		put_chunk(20, 0);
		header = forged_bytes;
		put_entry(entries[i].entry, entries[i].length);
		put("ddddddddddddddddddddd", 20);
		expect_bad(place, header, entries[i].words);
	}
	begin(place->name, "chunks past the size, overlapping or in the wrong order are refused");
	start(120);
	put_chunk(20, 50);
	header = forged_bytes;
	put_chunk(21, 100);
	expect_bad(place, header, "passes");
	forged_bytes = header;
	put_chunk(20, 69);
	expect_bad(place, header, "overlaps");
	forged_bytes = header;
	put_chunk(20, 10);
	expect(!verdict(place, &report) && report.chunks == 2 && report.data_bytes == 40, "%s",
	       report.message);
	second = forged_bytes;
	put_chunk(20, 20);
	expect_bad(place, second, "goes back a second time");
	forged_bytes = second;
	put_chunk(10, 60);
	expect_bad(place, second, "overlaps one of the first run");
	forged_bytes = second;
	put_chunk(20, 31);
	expect_bad(place, second, "overlaps one of the first run");
	forged_bytes = header;
	put_chunk(1, 69);
	expect_bad(place, header, "overlaps one of the first run");
	begin(place->name, "a chunk header that is too large, and bytes behind the last chunk, are refused");
	forged_bytes = header;
	put("\x01\x00\x02\x00", 4);
	forged_bytes += 200 << 10;
	expect_bad(place, header, "too long");
	forged_bytes = header;
	put("xy", 2);
	expect_bad(place, header, "short");
}

static void good_images(const struct place *place)
{
	struct gk_report report;
	uint32_t i;

	begin(place->name, "unknown fields of every type are skipped");
	start(120);
	put_entry("\x1d\x01\x02\x03\x04\x08\x02\x10\x03\x21\x01\x02\x03\x04\x05\x06\x07\x08\x2a\x01z", 21);
	put("dd", 2);
	expect(!verdict(place, &report) && report.data_bytes == 2 && report.size == 120, "%s",
	       report.message);
	begin(place->name, "in an image without chunks, all bytes behind the head are the content");
	forged_bytes = make_head(forged, 0, false);
	put("content", 7);
	expect(!verdict(place, &report) && report.data_bytes == 7 && report.size == 7 && report.chunks == 0,
	       "%s", report.message);
	begin(place->name, "single bits flipped anywhere do no harm");
	start(120);
	for (i = 0; i < 3; i++)
		put_chunk(20, (unsigned char)(i * 40));
	for (i = 0; i < forged_bytes * 8; i++) {
		forged[i / 8] ^= (unsigned char)(1 << i % 8);
		/* A flip that asks for a file too large for the machine is its error. */
		int error = verdict(place, &report);

		expect(error == 0 || error == -EBADMSG, "bit %u: %d %s", i, error, report.message);
		forged[i / 8] ^= (unsigned char)(1 << i % 8);
	}
}

/* No dump of ours writes such chunks: a run of them goes on where the next window is read. */
static void touching_chunks(const struct place *place)
{
	enum {
		CHUNKS = 200,
		BYTES = 8192
	};
	static unsigned char wanted[CHUNKS * BYTES], got[CHUNKS * BYTES];
	int image = ghost_in(place), file = ghost_in(place);
	struct gk_report report;
	uint32_t i;

	begin(place->name, "small adjacent chunks that fill more than a window come back");
	start(sizeof(wanted));
	for (i = 0; i < sizeof(wanted); i++)
		wanted[i] = (unsigned char)(i / BYTES + i % 251);
	for (i = 0; i < CHUNKS; i++) {
		uint32_t at = i * BYTES;
		const unsigned char entry[] = {
			8,
			0x80,
			0x40,
			16,
			0x80 | (at & 0x7f),
			0x80 | (at >> 7 & 0x7f),
			0x80 | (at >> 14 & 0x7f),
			at >> 21,
		};

		put_entry(entry, sizeof(entry));
		put(wanted + at, BYTES);
	}
	if (pwrite(image, forged, forged_bytes, 0) != (ssize_t)forged_bytes)
		wrong("write: %m");
	expect(!gk_restore(image, file, NULL, &report) && report.chunks == CHUNKS, "%s", report.message);
	expect(pread(file, got, sizeof(got), 0) == sizeof(got) && !memcmp(got, wanted, sizeof(got)),
	       "restored otherwise");
	begin(place->name, "a restore into a file that is not empty is refused");
	expect(gk_restore(image, file, NULL, &report) == -EINVAL, "%s", report.message);
	expect(pread(file, got, sizeof(got), 0) == sizeof(got) && !memcmp(got, wanted, sizeof(got)),
	       "it was written to");
	close(image);
	close(file);
}

void hostile_cases(const struct place *place)
{
	truncations(place);
	bad_heads(place);
	bad_chunks(place);
	good_images(place);
	touching_chunks(place);
}

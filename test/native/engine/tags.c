// SPDX-License-Identifier: MIT
/* Tags of pages, and the frames of a sender that has them. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/page-tag.h"
#include "cases.h"
#include "ghostkeep.h"
#include "move/table.h"
#include "tap.h"

#define SIZE ((2 << 20) + 5 * PAGE_BYTES + 17)
#define BLOCKS (SIZE / BLOCK_SIZE + 1)
#define GREETING "ghostkeep-move2\n"
#define PATIENCE_MS 2000

enum type {
	HELLO = 1,
	DATA = 3,
	SAME = 6,
	PATCH = 13,
	WELCOME = 65,
	ACK = 66,
	NEED = 67
};

/* NH as RFC 4418 describes it, number by number. */
static void slow_tag(const struct tag_key *key, const unsigned char *page, uint64_t sums[4])
{
	const unsigned char *secret = (const unsigned char *)key->words;

	for (unsigned int hash = 0; hash < 4; hash++) {
		sums[hash] = 0;
		for (unsigned int at = 0; at < PAGE_BYTES; at += 8) {
			uint32_t words[2], keys[2];

			memcpy(words, page + at, 8);
			memcpy(keys, secret + at + (size_t)hash * TAG_BYTES, 8);
			sums[hash] += (uint64_t)(words[0] + keys[0]) * (words[1] + keys[1]);
		}
	}
}

static int cut_key(int folder)
{
	int fd = openat(folder, "key", O_WRONLY | O_CLOEXEC);
	int error = fd < 0 ? -1 : ftruncate(fd, 100);

	close(fd);
	return error;
}

static void tag_case(const struct place *place)
{
	int folder = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned char pages[2 * PAGE_BYTES], tags[2 * TAG_BYTES], again[2 * TAG_BYTES];
	struct tag_key key, other;
	struct stat about;
	uint64_t sums[4];

	begin(place->name, "tags of pages");
	expect(!tag_key_open(folder, "key", &key) && !tag_key_open(folder, "key", &other) &&
		       !memcmp(&key, &other, sizeof(key)),
	       "the key is not kept");
	expect(!fstatat(folder, "key", &about, 0) && (about.st_mode & 0777) == 0600,
	       "others can read the key");
	for (size_t i = 0; i < sizeof(pages); i++)
		pages[i] = (unsigned char)(i * 7 + i / 251);
	page_tags(&key, pages, sizeof(pages), tags);
	slow_tag(&key, pages, sums);
	expect(!memcmp(sums, tags, TAG_BYTES), "another hash than NH");
	for (size_t bit = 0; bit < 8 * PAGE_BYTES; bit += 13) {
		pages[bit / 8] ^= (unsigned char)(1 << bit % 8);
		page_tags(&key, pages, PAGE_BYTES, again);
		pages[bit / 8] ^= (unsigned char)(1 << bit % 8);
		for (int hash = 0; hash < 4; hash++)
			expect(memcmp(again + (size_t)hash * 8, tags + (size_t)hash * 8, 8),
			       "bit %lu does not matter", (unsigned long)bit);
	}
	memset(pages + PAGE_BYTES + 10, 0, PAGE_BYTES - 10);
	page_tags(&key, pages, sizeof(pages), tags);
	page_tags(&key, pages, PAGE_BYTES + 10, again);
	expect(!memcmp(tags, again, sizeof(tags)), "a short page is not filled up");
	expect(!cut_key(folder) && !tag_key_open(folder, "key", &other) && memcmp(&key, &other, sizeof(key)),
	       "a key that is cut is used");
	expect(!fstatat(folder, "key", &about, 0) && about.st_size == sizeof(key), "the new key is not kept");
	(void)unlinkat(folder, "key", 0);
	close(folder);
}

/* A sender that writes into a file, and the answers that it gets. */
struct wire {
	int answers[2], said, tables, ghost;
	uint64_t sender, receiver;
	off_t read_to;
};

static void answer(struct wire *wire, uint32_t type, const void *payload, uint32_t length)
{
	struct gk_report report;
	uint32_t sequence;

	expect(!gk_link_send(wire->receiver, type, payload, length, &sequence, &report), "answer: %s",
	       report.message);
}

static bool begin_wire(struct wire *wire, const struct place *place)
{
	struct gk_report report;
	char text[100];
	uint32_t length = sizeof(text);

	memset(wire, 0, sizeof(*wire));
	wire->said = ghost_in(place);
	wire->ghost = ghost_in(place);
	wire->tables = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	wire->read_to = GK_GREETING_BYTES;
	if (!expect(wire->tables >= 0 && pipe(wire->answers) == 0, "no pipe"))
		return false;
	expect(!gk_link_open(wire->said, wire->answers[1], PATIENCE_MS, &wire->receiver, &report) &&
		       !gk_link_greet(wire->receiver, GREETING, NULL, &report),
	       "greet: %s", report.message);
	if (!expect(!gk_send_open(wire->said, wire->answers[0], PATIENCE_MS, 0, PATIENCE_MS, &wire->sender,
				  &report),
		    "open: %s", report.message))
		return false;
	answer(wire, WELCOME, "{}", 2);
	return expect(!gk_send_message(wire->sender, HELLO, "{}", 2, WELCOME, &report) &&
			      !gk_send_tables(wire->sender, wire->tables, &report) &&
			      !gk_send_await(wire->sender, text, &length, &report),
		      "hello: %s", report.message);
}

static void end_wire(struct wire *wire)
{
	static const char *names[] = { "1-2-3.table", "1-2-3.tags", "key" };
	struct gk_report report;

	gk_send_close(wire->sender, &report);
	gk_link_close(wire->receiver, &report);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		(void)unlinkat(wire->tables, names[i], 0);
	close(wire->answers[0]);
	close(wire->answers[1]);
	close(wire->said);
	close(wire->ghost);
	close(wire->tables);
}

/* The frames that a sender has sent for a ghost. */
struct said {
	unsigned int data, same, patches;
	uint64_t patched; /* bytes of pages */
	uint32_t first, pages, last;
};

/* Send the ghost, read the frames that this makes, and acknowledge them. */
static struct said send_once(struct wire *wire, bool acknowledged)
{
	static unsigned char head[GK_FRAME_HEAD_BYTES + GK_MOVE_PATCH_HEAD_BYTES + 8];
	unsigned char ack[8] = { 0 };
	struct gk_report report;
	struct said said = { 0 };

	expect(!gk_send_ghost(wire->sender, wire->ghost, GK_ENGINE_AUTO, SIZE, "1-2-3", NULL, &report) &&
		       report.data_bytes == SIZE,
	       "send: %s, %lu bytes", report.message, report.data_bytes);
	while (pread(wire->said, head, sizeof(head), wire->read_to) >= GK_FRAME_HEAD_BYTES) {
		uint32_t type, length, runs;

		memcpy(&type, head, 4);
		memcpy(&length, head + 4, 4);
		memcpy(ack, head + 8, 4);
		said.data += type == DATA;
		said.same += type == SAME;
		if (type == PATCH) {
			memcpy(&runs, head + GK_FRAME_HEAD_BYTES + GK_MOVE_PATCH_HEAD_BYTES - 8, 4);
			memcpy(&said.first, head + GK_FRAME_HEAD_BYTES + GK_MOVE_PATCH_HEAD_BYTES, 4);
			memcpy(&said.pages, head + GK_FRAME_HEAD_BYTES + GK_MOVE_PATCH_HEAD_BYTES + 4, 4);
			said.patches++;
			said.patched += length - GK_MOVE_PATCH_HEAD_BYTES - 8 * runs;
		}
		wire->read_to += GK_FRAME_HEAD_BYTES + length;
	}
	memcpy(&said.last, ack, 4);
	expect(said.data || report.differing_bytes == said.patched, "%lu bytes differ",
	       report.differing_bytes);
	if (acknowledged)
		answer(wire, ACK, ack, sizeof(ack));
	return said;
}

static void put_byte(const struct wire *wire, uint64_t at, unsigned char byte)
{
	expect(pwrite(wire->ghost, &byte, 1, (off_t)at) == 1, "no room");
}

static void expect_said(struct said said, unsigned int data, unsigned int same, unsigned int patches,
			uint64_t patched, const char *when)
{
	expect((said.data > 0) == (data > 0) && said.same == same && said.patches == patches &&
		       said.patched == patched,
	       "%s: %u data, %u same, %u patches of %lu bytes", when, said.data, said.same, said.patches,
	       (unsigned long)said.patched);
}

static void fill_ghost(const struct wire *wire)
{
	unsigned char block[BLOCK_SIZE];

	for (uint64_t at = 0; at < SIZE; at += BLOCK_SIZE) {
		uint64_t length = SIZE - at < BLOCK_SIZE ? SIZE - at : BLOCK_SIZE;

		memset(block, (int)(1 + at / BLOCK_SIZE % 255), sizeof(block));
		expect(pwrite(wire->ghost, block, length, (off_t)at) == (ssize_t)length, "no room");
	}
}

static void patch_case(const struct place *place)
{
	struct wire wire;
	struct said said;

	begin(place->name, "a sender sends the pages of a block that have changed");
	if (!begin_wire(&wire, place))
		return;
	fill_ghost(&wire);
	expect_said(send_once(&wire, true), 1, 0, 0, 0, "at first");
	expect_said(send_once(&wire, true), 0, 1, 0, 0, "unchanged");
	put_byte(&wire, 5 * PAGE_BYTES + 1, 200);
	said = send_once(&wire, true);
	expect_said(said, 0, 0, 1, PAGE_BYTES, "one page");
	expect(said.first == 5 && said.pages == 1, "%u pages at %u", said.pages, said.first);
	put_byte(&wire, SIZE - 1, 200);
	expect_said(send_once(&wire, false), 0, 0, 1, 17, "the last page");
	/* This page is unknown now, and with it all of its block. */
	expect_said(send_once(&wire, true), 0, 0, 1, PAGE_BYTES + 17, "without an acknowledgement");
	expect_said(send_once(&wire, true), 0, 1, 0, 0, "acknowledged");
	for (uint64_t at = 0; at + PAGE_BYTES < SIZE; at += 2 * PAGE_BYTES)
		put_byte(&wire, at, 201);
	said = send_once(&wire, true);
	expect(said.patches == 2 && said.patched == (SIZE / PAGE_BYTES + 1) / 2 * PAGE_BYTES,
	       "every second page: %u patches of %lu bytes", said.patches, (unsigned long)said.patched);
	expect_said(send_once(&wire, true), 0, 1, 0, 0, "every second page is acknowledged");
	end_wire(&wire);
}

/* A tag counts only together with the entry that it was written with. */
static void stale_case(const struct place *place)
{
	static unsigned char tags[BLOCKS * BLOCK_TAGS_BYTES], entries[BLOCKS * ENTRY_BYTES];
	struct wire wire;
	struct said said;
	int file;

	begin(place->name, "a sender whose tags are lost, old or of another entry");
	if (!begin_wire(&wire, place))
		return;
	fill_ghost(&wire);
	send_once(&wire, true);
	send_once(&wire, true);
	file = openat(wire.tables, "1-2-3.tags", O_RDWR | O_CLOEXEC);
	expect(pread(file, tags, sizeof(tags), 0) > 0 && !ftruncate(file, 0), "no tags");
	expect_said(send_once(&wire, true), 0, 1, 0, 0, "lost tags");
	expect(pread(file, entries, 8, 0) == 8 && !memcmp(entries, tags, 8), "lost tags are not made anew");
	/* A version without tags sends other content, and notes its entry. Then the content comes back. */
	put_byte(&wire, 1, 200);
	send_once(&wire, true);
	expect_said(send_once(&wire, true), 0, 1, 0, 0, "the acknowledgement is taken");
	expect(pwrite(file, tags, sizeof(tags), 0) == (ssize_t)sizeof(tags), "no room");
	put_byte(&wire, 1, 1);
	said = send_once(&wire, true);
	expect(said.data + said.patches == 1, "tags of another entry are believed");
	close(file);
	end_wire(&wire);
}

/* The receiver has needed a patched block, and acknowledges the frame of the patch later. */
static void need_case(const struct place *place)
{
	unsigned char need[24] = { [0] = 2, [18] = 0x20 }, ack[8] = { 0 };
	struct wire wire;
	struct said said;

	begin(place->name, "a sender whose patch did not fit");
	if (!begin_wire(&wire, place))
		return;
	fill_ghost(&wire);
	send_once(&wire, true);
	send_once(&wire, true);
	put_byte(&wire, 1, 200);
	said = send_once(&wire, false);
	answer(&wire, NEED, need, sizeof(need));
	memcpy(ack, &said.last, 4);
	answer(&wire, ACK, ack, sizeof(ack));
	said = send_once(&wire, true);
	expect(said.data > 0 && said.patched == 0 && said.same == 1, "%u data, %u same", said.data,
	       said.same);
	end_wire(&wire);
}

void tag_cases(const struct place *place)
{
	tag_case(place);
	patch_case(place);
	stale_case(place);
	need_case(place);
}

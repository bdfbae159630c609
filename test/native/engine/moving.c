// SPDX-License-Identifier: MIT
/* Tests the store of a receiver, and frames from strangers. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "ghostkeep.h"
#include "tap.h"

#define BLOCK GK_MOVE_BLOCK_BYTES
#define ENTRY GK_MOVE_ENTRY_BYTES

static unsigned char *content_of(uint64_t bytes, unsigned int byte)
{
	unsigned char *content = malloc(bytes);

	if (content)
		memset(content, (int)byte, bytes);
	return content;
}

static bool entry_is(int table, uint64_t block, unsigned int byte)
{
	unsigned char entry[ENTRY] = { 0 }, wanted[ENTRY];

	memset(wanted, (int)byte, ENTRY);
	return pread(table, entry, ENTRY, (off_t)(block * ENTRY)) >= 0 && !memcmp(entry, wanted, ENTRY);
}

/* A block is unknown from before it is written until its entry is put. */
static void store_case(const struct place *place)
{
	int data = ghost_in(place), table = ghost_in(place), again = ghost_in(place);
	unsigned char entries[3 * ENTRY], digest[ENTRY], other[ENTRY], *content = content_of(3 * BLOCK, 7);
	struct gk_report report;
	uint32_t fresh, unknown;
	uint64_t freed;

	begin(place->name, "what a receiver keeps of a ghost");
	if (!expect(content, "no memory"))
		goto out;
	expect(!gk_store_resize(data, table, 3 * BLOCK, &report), "resize: %s", report.message);
	expect(!gk_store_data(data, table, 0, content, 3 * BLOCK, entries, &fresh, &report) && fresh == 3,
	       "%u fresh blocks, %s", fresh, report.message);
	expect(entry_is(table, 0, 0xff) && entry_is(table, 2, 0xff), "written blocks are known too early");
	expect(!gk_table_digest(table, 0, 3, digest, &unknown, &report) && unknown == 1, "unknown blocks");
	expect(!gk_table_put(table, 0, 3, entries, &report), "put: %s", report.message);
	expect(!gk_table_digest(table, 0, 3, digest, &unknown, &report) && unknown == 0, "known blocks");
	expect(!gk_table_make(data, again, NULL, &report), "make: %s", report.message);
	expect(!gk_table_digest(again, 0, 3, other, &unknown, &report) && !memcmp(digest, other, ENTRY),
	       "a table that is made anew differs");
	expect(!gk_store_zero(data, table, BLOCK, BLOCK, &freed, &report) && freed == 1 &&
		       entry_is(table, 1, 0),
	       "%lu blocks were freed, %s", freed, report.message);
	expect(pread(data, content, BLOCK, BLOCK) == BLOCK && content[0] == 0 && content[BLOCK - 1] == 0,
	       "a zeroed block is not zero");
	expect(!gk_store_resize(data, table, 2 * BLOCK + 5, &report) && entry_is(table, 2, 0xff),
	       "a block that was cut is known");
	expect(gk_store_zero(data, table, 5, BLOCK, &freed, &report) == -EINVAL, "an offset inside a block");
	expect(gk_store_resize(data, table, UINT64_MAX, &report) == -EFBIG, "a size that no file has");
	expect(!gk_store_sync(data, 0, &report) && !gk_store_sync(data, 1, &report), "sync: %s",
	       report.message);
out:
	free(content);
	close(data);
	close(table);
	close(again);
}

/* Pages are written, and count when the whole range is what the sender says. */
static void patch_case(const struct place *place)
{
	int data = ghost_in(place), table = ghost_in(place), wanted = ghost_in(place),
	    other = ghost_in(place);
	unsigned char entries[3 * ENTRY], *content = content_of(3 * BLOCK, 7);
	uint32_t runs[4] = { 1, 1, 8, 1 }, counts[3], fresh, unknown;
	const uint64_t size = 2 * BLOCK + 10;
	struct gk_patch patch = { .length = size, .runs = 2, .bytes = 4106 }, bad[7];
	struct gk_report report;

	begin(place->name, "a receiver writes the pages of a block that have changed");
	if (!expect(content, "no memory"))
		goto out;
	expect(!gk_store_data(data, table, 0, content, (uint32_t)size, entries, &fresh, &report) &&
		       !gk_table_put(table, 0, 3, entries, &report),
	       "data: %s", report.message);
	memset(content + 4096, 8, 4096);
	memset(content + 2 * BLOCK, 8, 10);
	expect(pwrite(wanted, content, size, 0) == (ssize_t)size &&
		       !gk_table_make(wanted, other, NULL, &report) &&
		       !gk_table_digest(other, 0, 3, patch.digest, &unknown, &report),
	       "the digest of what is to come");
	expect(!gk_store_patch(data, table, &patch, runs, content + 4096, entries, counts, &report) &&
		       counts[0] == 0,
	       "a page with wrong bytes fits");
	expect(entry_is(table, 0, 0xff) && entry_is(table, 2, 0xff) && !entry_is(table, 1, 0xff),
	       "other blocks than those with changed pages are unknown");
	memmove(content + 8192, content + 2 * BLOCK, 10);
	expect(!gk_store_patch(data, table, &patch, runs, content + 4096, entries, counts, &report) &&
		       counts[0] == 1 && counts[2] == 2,
	       "pages that were changed: %u, %u blocks, %s", counts[0], counts[2], report.message);
	expect(entry_is(table, 0, 0xff), "a block is known before the disk has it");
	expect(!gk_table_put(table, 0, 3, entries, &report) &&
		       !gk_table_digest(table, 0, 3, entries, &unknown, &report) && !unknown &&
		       !memcmp(entries, patch.digest, ENTRY),
	       "entries that do not fit");
	expect(pread(data, content, BLOCK, 0) == BLOCK && content[4095] == 7 && content[4096] == 8 &&
		       content[8191] == 8 && content[8192] == 7,
	       "other bytes");
	for (unsigned int i = 0; i < 7; i++)
		bad[i] = patch;
	bad[0].offset = 5;
	bad[1].bytes++;
	bad[2].length = BLOCK;
	/* These have the bytes of their runs, and leave the ghost or end inside a block of it. */
	bad[3].offset = BLOCK;
	bad[4].offset = UINT64_MAX - BLOCK + 1;
	bad[5].length = size - 1;
	bad[5].bytes--;
	bad[6].length = size + 1;
	bad[6].bytes++;
	for (unsigned int i = 0; i < 7; i++)
		expect(gk_store_patch(data, table, &bad[i], runs, content, entries, counts, &report) ==
			       -EINVAL,
		       "a patch of pages that there are not: %u", i);
out:
	free(content);
	close(data);
	close(table);
	close(wanted);
	close(other);
}

/* The same random numbers for the same seed: xorshift64. */
static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

/* Frames with random heads, lengths and ends. */
static void frame_case(const struct place *place)
{
	unsigned char *buffer = malloc(GK_FRAME_HEAD_BYTES + GK_FRAME_PAYLOAD_MAX), bytes[256];
	uint64_t state = 88172645463325252, link;
	struct gk_report report;
	uint32_t sequence;

	begin(place->name, "frames from strangers");
	for (int time = 0; buffer && time < 2000; time++) {
		int in = ghost_in(place), out = ghost_in(place), error = 0;
		uint64_t length = next(&state) % sizeof(bytes);

		for (uint64_t i = 0; i < length; i++)
			bytes[i] = next(&state) % 4 ? 0 : (unsigned char)next(&state);
		if (time % 2) { /* a good one first */
			expect(!gk_link_open(in, in, 1000, &link, &report) &&
				       !gk_link_send(link, 3, bytes, (uint32_t)length, &sequence, &report) &&
				       !gk_link_close(link, &report),
			       "send: %s", report.message);
		}
		expect(pwrite(in, bytes, length, lseek(in, 0, SEEK_END)) == (ssize_t)length, "no room");
		lseek(in, 0, SEEK_SET);
		expect(!gk_link_open(in, out, 1000, &link, &report), "open: %s", report.message);
		if (time % 2)
			expect(!gk_link_receive(link, 0, buffer, &report) &&
				       !memcmp(buffer + GK_FRAME_HEAD_BYTES, bytes, length),
			       "receive: %s", report.message);
		while (!error)
			error = gk_link_receive(link, 0, buffer, &report);
		expect(error == -ENODATA || error == -ECONNRESET || error == -EBADMSG, "%d: %s", error,
		       report.message);
		gk_link_close(link, &report);
		close(in);
		close(out);
	}
	free(buffer);
}

/* Gives 16 bytes every 20 ms for ten seconds, as signs of life come behind a frame whose length is wrong. */
static void trickle(int out)
{
	const struct timespec pause = { 0, 20000000 };

	for (int time = 0; time < 500; time++) {
		if (write(out, "0123456789abcdef", 16) != 16)
			break;
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

static void slow_case(const struct place *place)
{
	static unsigned char buffer[GK_FRAME_HEAD_BYTES + GK_FRAME_PAYLOAD_MAX];
	const unsigned char head[GK_FRAME_HEAD_BYTES] = { 5, 0, 0, 0, 0, 0, 8 };
	struct gk_report report;
	uint64_t link;
	pid_t child;
	int ends[2];

	begin(place->name, "a frame that signs of life would have to fill is given up");
	if (!expect(pipe(ends) == 0, "no pipe"))
		return;
	expect(write(ends[1], head, sizeof(head)) == sizeof(head), "no room in a pipe");
	child = fork();
	if (child == 0)
		trickle(ends[1]);
	close(ends[1]);
	expect(child > 0 && !gk_link_open(ends[0], -1, 1000, &link, &report), "open: %s", report.message);
	expect(gk_link_receive(link, 0, buffer, &report) == -EBADMSG &&
		       strstr(report.message, "the rest of a frame of 524288 bytes does not come"),
	       "receive: %s", report.message);
	gk_link_close(link, &report);
	close(ends[0]);
	expect(waitpid(child, NULL, 0) == child, "no child");
}

void moving_cases(const struct place *place)
{
	store_case(place);
	patch_case(place);
	frame_case(place);
	slow_case(place);
}

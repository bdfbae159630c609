// SPDX-License-Identifier: MIT
/*
 * Maps, data and records of what was given up that were changed at random, in front of every function that
 * reads them. Each call ends with one of the errors that are allowed, or with the bytes whose digests the map
 * names. It writes only into the files that it was given to write to, takes no more memory than the bound, and
 * gives all of it back. --seed n --maps 1 makes one case again.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blake3/blake3.h"
#include "cases.h"
#include "compare.h"
#include "forge-layers.h"
#include "heap.h"
#include "layer/layer-format.h"
#include "tap.h"
#include "wrap.h"

/* Two batches of units have 21 MiB, whatever a map says; each level has windows of 72 KiB, an image more. */
#define MEMORY_MOST (32u << 20)

static struct forged_layers layers;
static uint64_t state;
static int to, more;		  /* the files that a function may write to */
static int may_write[2];	  /* those of this call, or -1 */
static uint64_t until_most;	  /* and how far */
static uint64_t calls_made, good; /* how many ended without an error */

static uint64_t pick(uint64_t below)
{
	return pick_from(&state, below);
}

static void watch_write(int fd, uint64_t until)
{
	expect(fd == may_write[0] || fd == may_write[1], "a write to another file");
	expect(until <= until_most, "a write up to %lu", until);
}

/* Begin a call that may write to these files. */
static void allow(int first, int second, uint64_t until)
{
	may_write[0] = first;
	may_write[1] = second;
	until_most = until;
	stand_in.before_write = watch_write;
	heap_reset();
}

/* End it: how did it end? With -EFBIG or -ENOSPC only the file system has refused a size. */
static void judge(const char *what, int error, const struct gk_report *report)
{
	stand_in.before_write = NULL;
	calls_made++;
	good += error == 0;
	expect(error == 0 || error == -EBADMSG || error == -ENOLINK || error == -EINVAL || error == -EFBIG ||
		       error == -ENOSPC,
	       "%s: %d %s", what, error, report->message);
	expect(memchr(report->message, 0, sizeof(report->message)) && (error == 0 || report->message[0]),
	       "%s ended with %d and no message", what, error);
	expect(heap_peak() <= MEMORY_MOST && heap_left() == 0, "%s: %lu bytes of memory, %ld left", what,
	       heap_peak(), heap_left());
}

static void clear(int fd)
{
	expect(ftruncate(fd, 0) == 0, "truncate: %m");
}

static uint64_t ghost_size(void)
{
	uint64_t size;

	memcpy(&size, layers.levels[0].parts[MAP].content + 8, sizeof(size));
	return le64toh(size);
}

static void check_layer(uint32_t count)
{
	struct gk_report report;

	allow(-1, -1, 0);
	judge("check", gk_check_layer(layers.level, count, NULL, &report), &report);
}

static void unpack_file(void)
{
	struct gk_report report;
	int error;

	clear(to);
	allow(to, -1, ghost_size());
	error = gk_unpack(layers.level, layers.count, to, NULL, 0, NULL, &report);
	judge("unpack", error, &report);
	expect(error || forge_is_ghost(&layers, to, report.size),
	       "unpack gave other bytes than the map says");
}

static void unpack_image(void)
{
	struct gk_report report, checked;
	unsigned char head[128];
	uint32_t length = make_head(head, ghost_size(), true);
	int error;

	clear(to);
	/* Each row of blocks may have a header, and one of 128 KiB in front of a long one. */
	allow(to, -1, MAP_ROOM / RECORD_BYTES * UNIT_BYTES * 3);
	error = gk_unpack(layers.level, layers.count, to, head, length, NULL, &report);
	judge("unpack of an image", error, &report);
	if (error || ghost_size() > UINT64_MAX >> 2)
		return;
	error = gk_check(to, NULL, &checked);
	expect(!error && checked.data_bytes == report.data_bytes && checked.chunks == report.chunks,
	       "%d %s: %lu chunks of %lu", error, checked.message, checked.chunks, report.chunks);
	clear(more);
	expect(!gk_restore(to, more, NULL, &checked), "%s", checked.message);
	expect(forge_is_ghost(&layers, more, report.size), "an image has other bytes than the map says");
}

static void unpack_parts(void)
{
	struct gk_part part = { .most_bytes = 1 + pick(2 * UNIT_BYTES) };
	struct gk_report report;
	int error = 0;

	clear(to);
	while (!error && !part.done) {
		allow(to, -1, ghost_size());
		error = gk_unpack_part(layers.level, layers.count, to, NULL, 0, &part, NULL, &report);
		judge("unpack of a part", error, &report);
		expect(error || part.done || part.next > part.first, "a part that is no part");
		part.first = part.next;
	}
	expect(error || forge_is_ghost(&layers, to, report.size), "parts have other bytes than the map says");
	part = (struct gk_part){ .first = 1 + pick(FORGED_UNITS), .most_bytes = UINT64_MAX, .check = 1 };
	allow(-1, -1, 0);
	judge("check of a part",
	      gk_unpack_part(layers.level, layers.count, to, NULL, 0, &part, NULL, &report), &report);
}

/* The layer that was written must fit what is written about it: it is checked as any other. */
static void pack(const struct gk_level *ghost, uint32_t count, const struct gk_level *parent,
		 uint32_t parent_count)
{
	struct gk_level made = { -1, to, more, -1, 0 };
	struct gk_report report, checked;
	struct gk_name name;
	int error;

	clear(to);
	clear(more);
	allow(to, more, MAP_ROOM / RECORD_BYTES * UNIT_BYTES);
	error = gk_pack(ghost, count, parent, parent_count, to, more, &name, NULL, &report);
	judge("pack", error, &report);
	if (error)
		return;
	error = gk_check_layer(&made, 1, NULL, &checked);
	/* Without a whole image, units that were given up have holes. */
	expect(!error || ghost->given_fd >= 0, "what was packed: %d %s", error, checked.message);
	expect(error || (checked.size == report.size && checked.kept_bytes == report.kept_bytes),
	       "%lu bytes in the parent, not %lu", checked.kept_bytes, report.kept_bytes);
}

static void join(void)
{
	struct gk_report report;

	allow(-1, -1, 0);
	judge("count", gk_pack(layers.level, layers.count, NULL, 0, -1, -1, NULL, NULL, &report), &report);
	pack(layers.level, layers.count, NULL, 0);
}

static void pack_over(void)
{
	const struct gk_level image = { layers.image, -1, -1, -1, 0 };

	pack(&image, 1, layers.level, layers.count);
}

static void give_up(void)
{
	uint32_t depth = 1 + (uint32_t)pick(FORGED_LEVELS), taker = (uint32_t)pick(4);
	struct gk_report report;
	int record = pick(2) ? to : -1;

	clear(to);
	allow(record, -1, GIVEN_HEAD_BYTES + MAP_ROOM / RECORD_BYTES * GIVEN_RANGE_BYTES);
	judge("give up", gk_give_up(layers.level, layers.count, depth, record, taker, NULL, &report),
	      &report);
}

static void punch(void)
{
	uint32_t which = (uint32_t)pick(layers.count);
	const struct forged_file *data = &layers.levels[which].parts[DATA];
	struct gk_report report;

	allow(data->fd, -1, UINT64_MAX);
	judge("punch", gk_punch(&layers.level[which], NULL, &report), &report);
	expect(forge_holds(&layers, (int)which), "a hole where nothing was given up");
}

static void name(void)
{
	const struct forged_file *map = &layers.levels[0].parts[MAP];
	struct gk_report report;
	struct gk_name wanted, found;
	blake3_hasher hasher;

	blake3_hasher_init(&hasher);
	blake3_hasher_update(&hasher, map->content, map->bytes);
	blake3_hasher_finalize(&hasher, wanted.bytes, sizeof(wanted.bytes));
	allow(-1, -1, 0);
	judge("name", gk_layer_name(map->fd, &found, &report), &report);
	expect(!memcmp(&wanted, &found, sizeof(found)), "a map has another name");
}

static void one_case(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15u;
	forge_layers(&layers, &state);
	forge_harm(&layers, &state);
	forge_write(&layers);
	switch (pick(9)) {
	case 0:
		check_layer(layers.count);
		break;
	case 1:
		check_layer(1);
		break;
	case 2:
		unpack_file();
		break;
	case 3:
		unpack_image();
		break;
	case 4:
		unpack_parts();
		break;
	case 5:
		join();
		break;
	case 6:
		pack_over();
		break;
	case 7:
		give_up();
		break;
	default:
		name();
		punch();
		return;
	}
	expect(forge_holds(&layers, -1), "a file that was only read has changed");
}

void map_cases(const struct place *place, uint64_t seed, uint64_t number)
{
	uint64_t i;

	begin(place->name, "hostile maps from seed %lu on", seed);
	forge_open(&layers, place);
	to = image_in(place);
	more = image_in(place);
	heap_keep(true);
	for (i = 0; i < number && !how_wrong(); i++)
		one_case(seed + i);
	if (how_wrong())
		wrong("it was the case of seed %lu", seed + i - 1);
	/* about a third do: a check that refuses everything would pass all the others */
	expect(i < 100 || good * 5 > calls_made, "%lu of %lu calls found nothing wrong", good, calls_made);
	remark("%lu maps, %lu of %lu calls found nothing wrong", i, good, calls_made);
	stand_in_nowhere();
	heap_keep(false);
	forge_close(&layers);
	close(to);
	close(more);
}

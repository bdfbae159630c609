// SPDX-License-Identifier: MIT
/*
 * Layers of random ghosts: put together again they are what was packed, as a file and as an image. Then
 * maps, data and parents that nobody thought of. --seed n --layers 1 makes one case again.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "compare.h"
#include "give-up.h"
#include "tap.h"

#define UNITS 24
#define UNIT 65536
#define BLOCK 4096

static uint64_t state;

static uint64_t pick(uint64_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % below;
}

struct files {
	int ghost, image, map, data;
	uint64_t size;
};

static void change(struct files *files)
{
	static unsigned char bytes[3 * UNIT];
	uint64_t length = 1 + pick(pick(2) ? 9 : sizeof(bytes)), times;

	for (times = pick(4); times; times--) {
		for (uint64_t i = 0; i < length; i += 1 + pick(64))
			bytes[i] = (unsigned char)pick(256);
		if (!pick(4))
			memset(bytes, 0, length);
		expect(pwrite(files->ghost, bytes, length, (off_t)pick(UNITS * UNIT)) == (ssize_t)length,
		       "write: %m");
	}
	if (!pick(3))
		expect(ftruncate(files->ghost, (off_t)(12288 + pick(UNITS * UNIT))) == 0, "truncate: %m");
}

static int copy_of(const struct place *place, int image)
{
	static unsigned char bytes[1 << 16];
	int copy = image_in(place);
	ssize_t got;

	for (off_t at = 0; (got = pread(image, bytes, sizeof(bytes), at)) > 0; at += got)
		expect(pwrite(copy, bytes, (size_t)got, at) == got, "write: %m");
	return copy;
}

/* With earlier, over a copy of that image: then the offsets of the new image may go back once. */
static void dump(const struct place *place, struct files *files, int earlier)
{
	uint32_t flags = GK_DUMP_CHUNKED | (earlier < 0 ? 0 : GK_DUMP_OVER);
	unsigned char head[128];
	struct gk_report report;
	struct stat about;

	expect(fstat(files->ghost, &about) == 0, "stat: %m");
	files->size = (uint64_t)about.st_size;
	files->image = earlier < 0 ? image_in(place) : copy_of(place, earlier);
	expect(!gk_dump(files->ghost, files->image, GK_ENGINE_AUTO, files->size, head,
			make_head(head, files->size, true), flags, NULL, &report),
	       "%s", report.message);
}

/* Into the map and the data of files, which are empty. The name is that of the map that is there then. */
static void pack(const struct gk_level *levels, uint32_t count, const struct gk_level *parent,
		 uint32_t parent_count, const struct files *files, struct gk_report *report)
{
	struct gk_name name, found;
	struct gk_report named;

	expect(!gk_pack(levels, count, parent, parent_count, files->map, files->data, &name, NULL, report),
	       "%s", report->message);
	expect(!gk_layer_name(files->map, &found, &named), "%s", named.message);
	expect(!memcmp(&name, &found, sizeof(name)), "the map has another name than it was written with");
}

/* Unpacked as a file and as an image, it is the ghost. */
static void compare(const struct place *place, const struct files *files, const struct gk_level *levels,
		    uint32_t count)
{
	int file = image_in(place), image = image_in(place), again = image_in(place);
	unsigned char head[128];
	struct gk_report report, checked;
	uint64_t same;

	expect(!gk_unpack(levels, count, file, NULL, 0, NULL, &report), "%s", report.message);
	same = first_difference(files->ghost, file, files->size);
	expect(report.size == files->size && same == files->size, "the file differs at %lu", same);
	expect(!gk_unpack(levels, count, image, head, make_head(head, files->size, true), NULL, &report),
	       "%s", report.message);
	expect(!gk_check(image, NULL, &checked), "%s", checked.message);
	expect(checked.chunks == report.chunks && checked.data_bytes == report.data_bytes &&
		       checked.image_bytes == report.image_bytes,
	       "%lu chunks, %lu bytes", checked.chunks, checked.data_bytes);
	expect(!gk_restore(image, again, NULL, &report), "%s", report.message);
	same = first_difference(files->ghost, again, files->size);
	expect(same == files->size, "the image differs at %lu", same);
	expect(!gk_check_layer(levels, count, NULL, &report), "%s", report.message);
	close(file);
	close(image);
	close(again);
}

/* Change some bytes of a map, its data or the parent. The engine may say anything, but not crash. */
static void harm(const struct place *place, const struct files *files, const struct gk_level *levels)
{
	int victim = pick(3) ? files->map : pick(2) ? files->data : (int)levels[1].map_fd;
	int record = (int)levels[1].given_fd;
	struct gk_report report;
	unsigned char byte;
	struct stat about;
	int file, error;

	if (record >= 0 && pick(2))
		victim = record;
	if (victim < 0 || fstat(victim, &about) < 0 || about.st_size == 0)
		return;
	for (uint64_t times = 1 + pick(4); times; times--) {
		off_t at = (off_t)pick(pick(2) ? 80 : (uint64_t)about.st_size);

		byte = pick(2) ? (unsigned char)pick(256) : (unsigned char)(1 << pick(8));
		if (at < about.st_size)
			expect(pwrite(victim, &byte, 1, at) == 1, "write: %m");
	}
	if (!pick(4))
		expect(ftruncate(victim, (off_t)pick((uint64_t)about.st_size + 100)) == 0, "truncate: %m");
	for (uint32_t count = 1; count <= 2; count++) {
		file = image_in(place);
		error = gk_unpack(levels, count, file, NULL, 0, NULL, &report);
		expect(error == 0 || error == -EBADMSG || error == -EFBIG || error == -EINVAL ||
			       error == -ENOLINK,
		       "%d %s", error, report.message);
		error = gk_check_layer(levels, count, NULL, &report);
		expect(error == 0 || error == -EBADMSG || error == -ENOLINK, "%d %s", error, report.message);
		error = gk_give_up(levels, 2, 1, -1, 1, NULL, &report);
		expect(error == 0 || error == -EBADMSG || error == -ENOLINK, "%d %s", error, report.message);
		close(file);
	}
}

static struct gk_level level_of(const struct files *files, bool whole)
{
	return whole ? (struct gk_level){ files->image, -1, -1, -1, 0 } :
		       (struct gk_level){ -1, files->map, files->data, -1, 0 };
}

static void one_history(const struct place *place, uint64_t seed)
{
	struct files older, newer;
	struct gk_level levels[2], image;
	struct gk_report report;
	bool whole;

	state = seed * 0x9e3779b97f4a7c15u;
	memset(&older, -1, sizeof(older));
	older.ghost = ghost_in(place);
	expect(ftruncate(older.ghost, (off_t)(12288 + pick(UNITS * UNIT))) == 0, "truncate: %m");
	change(&older);
	dump(place, &older, -1);
	whole = pick(2);
	older.map = older.data = -1;
	if (!whole) {
		older.map = image_in(place);
		older.data = image_in(place);
		image = level_of(&older, true);
		pack(&image, 1, NULL, 0, &older, &report);
		image = level_of(&older, false);
		compare(place, &older, &image, 1);
	}
	newer = older;
	change(&newer);
	dump(place, &newer, pick(2) ? older.image : -1);
	newer.map = image_in(place);
	newer.data = image_in(place);
	image = level_of(&newer, true);
	levels[0] = level_of(&newer, false);
	levels[1] = level_of(&older, whole);
	pack(&image, 1, &levels[1], 1, &newer, &report);
	compare(place, &newer, levels, 2);
	if (!whole && pick(2)) {
		give_up(place, levels, newer.ghost, newer.size);
		compare(place, &newer, levels, 2);
	}
	if (pick(2))
		move_in_pieces(place, levels, 2, newer.ghost, newer.size);
	else
		harm(place, &newer, levels);
	if (levels[1].given_fd >= 0)
		close((int)levels[1].given_fd);
	if (!whole) {
		close(older.map);
		close(older.data);
	}
	close(older.image);
	close(newer.image);
	close(newer.map);
	close(newer.data);
	close(newer.ghost);
}

/* Pack an image over its parents. */
static void pack_over(const struct place *place, struct files *files, const struct gk_level *parents,
		      uint32_t count)
{
	struct gk_level image = level_of(files, true);
	struct gk_report report;

	files->map = image_in(place);
	files->data = image_in(place);
	pack(&image, 1, parents, count, files, &report);
}

/* Three checkpoints, each over the one before. The middle one is taken out, packed or whole. */
static void one_join(const struct place *place, uint64_t seed)
{
	struct files all[3], joined;
	struct gk_level levels[3];
	struct gk_report report, counted;
	bool whole;

	state = seed * 0x9e3779b97f4a7c15u + 1;
	memset(all, -1, sizeof(all));
	all[0].ghost = ghost_in(place);
	expect(ftruncate(all[0].ghost, (off_t)(12288 + pick(UNITS * UNIT))) == 0, "truncate: %m");
	whole = pick(2);
	for (int i = 0; i < 3; i++) {
		all[i].ghost = all[0].ghost;
		change(&all[i]);
		dump(place, &all[i], -1);
		levels[2 - i] = level_of(&all[i], true);
		if (i == 0 || (i == 1 && whole))
			continue;
		pack_over(place, &all[i], &levels[3 - i], i == 2 && whole ? 1 : (uint32_t)i);
		levels[2 - i] = level_of(&all[i], false);
	}
	joined = all[2];
	joined.map = image_in(place);
	joined.data = image_in(place);
	expect(!gk_pack(levels, 2, NULL, 0, -1, -1, NULL, NULL, &counted), "%s", counted.message);
	pack(levels, 2, NULL, 0, &joined, &report);
	expect(counted.data_bytes == report.data_bytes && counted.kept_bytes == report.kept_bytes &&
		       counted.image_bytes == report.image_bytes && counted.size == report.size,
	       "%lu bytes were counted, and %lu written", counted.data_bytes, report.data_bytes);
	expect(!whole || report.kept_bytes == 0, "%lu bytes in no parent", report.kept_bytes);
	levels[1] = level_of(&joined, false);
	compare(place, &joined, &levels[1], whole ? 1 : 2);
	close(joined.map);
	close(joined.data);
	for (int i = 0; i < 3; i++) {
		close(all[i].image);
		close(all[i].map);
		close(all[i].data);
	}
	close(all[0].ghost);
}

#define FAR (UINT64_C(4) << 30)

/*
 * A dump over an earlier image has put the first unit off to the end, exactly 4 GiB behind the unit that
 * the first run ends in. The parent, too, has such an image.
 */
static void put_off(const struct place *place)
{
	static unsigned char bytes[8 * UNIT];
	struct files files = { .ghost = ghost_in(place), .map = image_in(place), .data = image_in(place) };
	struct gk_level image, levels[2];
	struct gk_report report;
	int earlier;

	begin(place->name, "a chunk that was put off lies 4 GiB in front of the others");
	if (ftruncate(files.ghost, (off_t)(FAR + 8 * UNIT)) < 0) {
		remark("so long a file cannot be made here: %m");
		return;
	}
	memset(bytes, 7, sizeof(bytes));
	expect(pwrite(files.ghost, bytes, sizeof(bytes), (off_t)(FAR - 6 * UNIT)) == sizeof(bytes),
	       "write: %m");
	dump(place, &files, -1);
	earlier = files.image;
	expect(pwrite(files.ghost, bytes, UNIT, 0) == UNIT, "write: %m");
	dump(place, &files, earlier);
	image = level_of(&files, true);
	levels[0] = level_of(&files, false);
	pack(&image, 1, NULL, 0, &files, &report);
	expect(report.data_bytes == 9 * UNIT, "%lu bytes of data", report.data_bytes);
	compare(place, &files, levels, 1);
	close(files.map);
	close(files.data);
	pack_over(place, &files, &image, 1);
	levels[0] = level_of(&files, false);
	levels[1] = image;
	expect(!gk_check_layer(levels, 1, NULL, &report), "%s", report.message);
	expect(report.kept_bytes == 9 * UNIT, "%lu bytes in the parent", report.kept_bytes);
	compare(place, &files, levels, 2);
	close(files.map);
	close(files.data);
	close(files.image);
	close(earlier);
	close(files.ghost);
}

/*
 * The parent ends inside a block, and a disk has changed a byte of its data behind that end. A longer
 * child has the same unit, with zeroes there: it takes the unit from the parent, and gets zeroes.
 */
static void damaged_behind_the_end(const struct place *place)
{
	static const unsigned char changed = 0xff;
	static unsigned char bytes[UNIT + 100];
	struct files files = { .ghost = ghost_in(place), .map = image_in(place), .data = image_in(place) };
	struct gk_level image, levels[2];
	struct gk_report report;
	struct stat about;

	begin(place->name, "a parent has other bytes behind its end than zeroes");
	memset(bytes, 7, sizeof(bytes));
	expect(pwrite(files.ghost, bytes, sizeof(bytes), 0) == sizeof(bytes), "write: %m");
	dump(place, &files, -1);
	image = level_of(&files, true);
	pack(&image, 1, NULL, 0, &files, &report);
	levels[1] = level_of(&files, false);
	expect(fstat(files.data, &about) == 0 && about.st_size == UNIT + BLOCK, "%ld bytes of data",
	       (long)about.st_size);
	expect(pwrite(files.data, &changed, 1, about.st_size - BLOCK + 150) == 1, "write: %m");
	close(files.image);
	expect(ftruncate(files.ghost, 3 * UNIT) == 0, "truncate: %m");
	expect(pwrite(files.ghost, bytes, BLOCK, 2 * UNIT) == BLOCK, "write: %m");
	dump(place, &files, -1);
	image = level_of(&files, true);
	pack_over(place, &files, &levels[1], 1);
	levels[0] = level_of(&files, false);
	expect(!gk_check_layer(levels, 1, NULL, &report), "%s", report.message);
	expect(report.kept_bytes == UNIT + BLOCK, "%lu bytes in the parent", report.kept_bytes);
	compare(place, &files, levels, 2);
	close((int)levels[1].map_fd);
	close((int)levels[1].data_fd);
	close(files.map);
	close(files.data);
	close(files.image);
	close(files.ghost);
}

void layer_cases(const struct place *place, uint64_t seed, uint64_t number)
{
	uint64_t i;

	put_off(place);
	damaged_behind_the_end(place);
	begin(place->name, "layers of random ghosts from seed %lu on", seed);
	for (i = 0; i < number && !how_wrong(); i++) {
		one_history(place, seed + i);
		one_join(place, seed + i);
	}
	if (how_wrong())
		wrong("it was the history of seed %lu", seed + i - 1);
	remark("%lu histories", i);
}

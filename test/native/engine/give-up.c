// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "ghostkeep.h"
#include "give-up.h"
#include "tap.h"

static void expect_child(const struct place *place, const struct gk_level *levels, uint32_t count, int ghost,
			 uint64_t size)
{
	int file = image_in(place);
	struct gk_report report;
	uint64_t same;

	expect(!gk_unpack(levels, count, file, NULL, 0, NULL, &report), "%s", report.message);
	same = first_difference(ghost, file, size);
	expect(same == size, "the child differs at %lu", same);
	close(file);
}

void give_up(const struct place *place, struct gk_level levels[2], int ghost, uint64_t size)
{
	struct gk_report planned, given, again, punched, checked;
	int record = image_in(place), repeated = image_in(place), file = image_in(place), error;
	struct gk_level parent = levels[1];

	expect(!gk_check_layer(&parent, 1, NULL, &checked), "%s", checked.message);
	expect(!gk_give_up(levels, 2, 1, -1, 1, NULL, &planned), "%s", planned.message);
	expect(!gk_give_up(levels, 2, 1, record, 1, NULL, &given), "%s", given.message);
	expect(planned.data_bytes == given.data_bytes && given.data_bytes == given.differing_bytes,
	       "%lu bytes were planned, %lu given up", planned.data_bytes, given.data_bytes);
	expect(given.data_bytes + given.kept_bytes == checked.data_bytes, "%lu bytes of %lu are left",
	       given.kept_bytes, checked.data_bytes);
	levels[1].given_fd = parent.given_fd = record;
	expect(!gk_punch(&parent, NULL, &punched), "%s", punched.message);
	expect(punched.data_bytes == given.data_bytes, "%lu bytes of %lu were punched", punched.data_bytes,
	       given.data_bytes);
	expect_child(place, levels, 2, ghost, size);
	error = gk_check_layer(&parent, 1, NULL, &checked);
	expect(!error && checked.data_bytes == given.kept_bytes &&
		       checked.uncompared_bytes == given.data_bytes && checked.differing_bytes == 0,
	       "%d: %lu good, %lu given up, %lu bad", error, checked.data_bytes, checked.uncompared_bytes,
	       checked.differing_bytes);
	error = gk_unpack(&parent, 1, file, NULL, 0, NULL, &checked);
	expect(error == (given.chunks ? -ENOLINK : 0), "%d for %lu ranges", error, given.chunks);
	expect(!gk_give_up(levels, 2, 1, repeated, 2, NULL, &again), "%s", again.message);
	expect(again.size == 0 && again.data_bytes == 0 && again.differing_bytes == given.data_bytes,
	       "%lu units more were given up", again.size);
	close(repeated);
	close(file);
}

/* A head or a header of a chunk that is not as it was written is found before anything is given up. */
static void move_to_image(const struct place *place, const struct gk_level *levels, uint32_t count)
{
	struct gk_part part = { .most_bytes = UINT64_MAX }, check;
	unsigned char head[16] = { 1 }, byte;
	int image = image_in(place);
	struct gk_report report;

	expect(!gk_unpack_part(levels, count, image, head, sizeof(head), &part, NULL, &report), "%s",
	       report.message);
	if (part.next) {
		check = (struct gk_part){ .first = part.next, .most_bytes = UINT64_MAX, .check = 1 };
		expect(!gk_unpack_part(levels, count, image, head, sizeof(head), &check, NULL, &report), "%s",
		       report.message);
		expect(pread(image, &byte, 1, sizeof(head)) == 1, "cannot read");
		byte ^= 0xff;
		expect(pwrite(image, &byte, 1, sizeof(head)) == 1, "cannot write");
		expect(gk_unpack_part(levels, count, image, head, sizeof(head), &check, NULL, &report) ==
			       -EBADMSG,
		       "a changed header is not found");
		byte ^= 0xff;
		expect(pwrite(image, &byte, 1, sizeof(head)) == 1, "cannot write");
		expect(pwrite(image, "\2", 1, 0) == 1, "cannot write");
		expect(gk_unpack_part(levels, count, image, head, sizeof(head), &check, NULL, &report) ==
			       -EBADMSG,
		       "a changed head is not found");
	}
	close(image);
}

void move_in_pieces(const struct place *place, const struct gk_level *levels, uint32_t count, int ghost,
		    uint64_t size)
{
	struct gk_level moving[2] = { levels[0], levels[1] };
	struct gk_part part = { .most_bytes = 65536 }, check;
	int file = image_in(place);
	struct gk_report report;
	uint64_t same;

	move_to_image(place, levels, count);
	while (!part.done) {
		expect(!gk_unpack_part(moving, count, file, NULL, 0, &part, NULL, &report), "%s",
		       report.message);
		part.first = part.next;
		for (uint32_t i = 0; i < count; i++) {
			if (moving[i].image_fd >= 0)
				continue;
			moving[i].given_below = part.next;
			expect(!gk_punch(&moving[i], NULL, &report), "%s", report.message);
		}
		if (!part.next)
			continue;
		check = (struct gk_part){ .first = part.next, .most_bytes = UINT64_MAX, .check = 1 };
		expect(!gk_unpack_part(moving, count, file, NULL, 0, &check, NULL, &report), "%s",
		       report.message);
	}
	same = first_difference(ghost, file, size);
	expect(same == size, "the file that it was moved to differs at %lu", same);
	close(file);
}

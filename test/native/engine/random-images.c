// SPDX-License-Identifier: MIT
/*
 * Images with random faults. Each has a seed: --seed n --hostile 1 makes it again.
 */
#include <errno.h>

#include "cases.h"
#include "forge.h"
#include "tap.h"

static uint64_t state;

static uint64_t pick(uint64_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % below;
}

/*
 * Chunks in any order and of any size, of which random bytes are then changed: all calls must
 * agree, and none may crash.
 */
static void one_image(const struct place *place, uint64_t seed)
{
	unsigned char offset = 0;
	uint64_t times;
	struct gk_report report;
	int error;

	state = seed * 0x9e3779b97f4a7c15u;
	start(pick(4) ? 120 + pick(80) : pick(200));
	for (times = pick(6); times; times--) {
		unsigned char length = (unsigned char)pick(40);

		if (!pick(8))
			offset = (unsigned char)pick(127);
		put_chunk(length, offset);
		offset = (unsigned char)((offset + length + pick(20)) % 127);
	}
	for (times = pick(6); times; times--) {
		uint32_t at = (uint32_t)pick(forged_bytes);

		switch (pick(4)) {
		case 0:
			forged[at] ^= (unsigned char)(1 << pick(8));
			break;
		case 1:
			forged[at] = 0xff;
			break;
		case 2:
			forged_bytes = at + 1;
			break;
		default:
			forged[at] = (unsigned char)pick(256);
		}
	}
	error = verdict(place, &report);
	expect(error == 0 || error == -EBADMSG, "%d %s", error, report.message);
}

void image_cases(const struct place *place, uint64_t seed, uint64_t number)
{
	uint64_t i;

	begin(place->name, "random images from seed %lu on", seed);
	for (i = 0; i < number && !how_wrong(); i++)
		one_image(place, seed + i);
	if (how_wrong())
		wrong("it was the image of seed %lu", seed + i - 1);
	remark("%lu images", i);
}

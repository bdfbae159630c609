// SPDX-License-Identifier: MIT
/*
 * The cases on any mounted directory:
 *   run --dir DIR [--name NAME] [--images DIR] [--lower DIR [--copy-up]]
 *       [--extents[=auto] | --cases N [--seed S] [--seconds T] | --hostile N [--seed S] |
 *       --layers N [--seed S] | --maps N [--seed S] | --calls]
 * The table, only its row of a million extents (by the engine of auto alone), random files, random images, or
 * the calls that look at many files and processes at once.
 * --lower is the lower layer of an overlay mounted on --dir, or what a server exports to it: ghosts are made
 * there and opened through --dir.
 * --images: where images and restored files go, --dir by default.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "tap.h"

static const struct option options[] = {
	{ "dir", required_argument, NULL, 'd' },     { "name", required_argument, NULL, 'n' },
	{ "images", required_argument, NULL, 'i' },  { "lower", required_argument, NULL, 'l' },
	{ "copy-up", no_argument, NULL, 'u' },	     { "extents", optional_argument, NULL, 'e' },
	{ "cases", required_argument, NULL, 'c' },   { "hostile", required_argument, NULL, 'h' },
	{ "seed", required_argument, NULL, 's' },    { "calls", no_argument, NULL, 'b' },
	{ "seconds", required_argument, NULL, 't' }, { "layers", required_argument, NULL, 'y' },
	{ "maps", required_argument, NULL, 'm' },    { 0 },
};

/* An emulator has a thread of its own and no seccomp(2), so cases that need the opposite are not among these. */
static void call_cases(const struct place *place)
{
	small_cases(place);
	bulk_cases(place);
	ahead_cases();
}

int run_on_directory(int argc, char **argv)
{
	const char *dir = NULL, *name = NULL, *images = NULL, *lower = NULL;
	uint64_t cases = 0, hostile = 0, layers = 0, maps = 0, seed = 1;
	bool copy_up = false, extents = false, all_engines = true, calls = false;
	struct place place;
	double seconds = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			dir = optarg;
			break;
		case 'n':
			name = optarg;
			break;
		case 'i':
			images = optarg;
			break;
		case 'l':
			lower = optarg;
			break;
		case 'u':
			copy_up = true;
			break;
		case 'e':
			extents = true;
			all_engines = !optarg;
			if (optarg && strcmp(optarg, "auto"))
				return 2;
			break;
		case 'c':
			cases = strtoull(optarg, NULL, 0);
			break;
		case 'h':
			hostile = strtoull(optarg, NULL, 0);
			break;
		case 'y':
			layers = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			maps = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			calls = true;
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = atof(optarg);
			break;
		default:
			return 2;
		}
	}
	if (!dir) {
		fprintf(stderr, "run: --dir is missing\n");
		return 2;
	}
	prepare_directory(&place, name ? name : dir, dir, images, lower, copy_up);
	if (cases)
		random_cases(&place, seed, cases, seconds);
	else if (hostile)
		image_cases(&place, seed, hostile);
	else if (layers)
		layer_cases(&place, seed, layers);
	else if (maps)
		map_cases(&place, seed, maps);
	else if (calls)
		call_cases(&place);
	else if (extents)
		extents_case(&place, all_engines);
	else
		table_cases(&place);
	return finish();
}

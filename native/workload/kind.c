// SPDX-License-Identifier: MIT
/* The kinds of ghosts: their names, their sizes and where their data lies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kind.h"
#include "workload.h"

#define KIB (1024ULL)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const struct kind kinds[] = {
	/* name          shape             size                 lead     data      period */
	{ "dense", SHAPE_FD, 16 * MIB, 0, 16 * MIB, 16 * MIB },
	{ "hole-64m-4m", SHAPE_FD_AND_MAP, 68 * MIB, 64 * MIB, 4 * MIB, 4 * MIB },
	{ "hole-1g-8k", SHAPE_FD, GIB + 8 * KIB, GIB, 8 * KIB, 8 * KIB },
	{ "hole-1g-2m", SHAPE_FD, GIB + 2 * MIB, GIB, 2 * MIB, 2 * MIB },
	{ "alternate-8m", SHAPE_FD, 8 * MIB, 0, 4 * KIB, 8 * KIB },
	{ "small", SHAPE_FD, 5003, 0, 5003, 5003 },
	{ "mapped", SHAPE_MAP, MIB, 0, MIB, MIB },
	{ "deleted-exe", SHAPE_EXE, 3 * MIB, 0, 3 * MIB, 3 * MIB },
	{ "shared", SHAPE_SHARED, 2 * MIB, 0, 2 * MIB, 2 * MIB },
	{ "tail-odd", SHAPE_FD, 128 * KIB + 50001, 0, 64 * KIB, 128 * KIB },
	{ "tail-hole", SHAPE_FD, 512 * KIB, 0, 64 * KIB, 512 * KIB },
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* `dense-NNm` has NN MiB of data. A scenario chooses NN so large that the dump lasts long enough. */
static int sized_dense(const char *name, struct kind *kind)
{
	char *end;
	unsigned long mib;

	if (strncmp(name, "dense-", 6) || strlen(name) >= sizeof(kind->name))
		return -EINVAL;
	mib = strtoul(name + 6, &end, 10);
	if (end == name + 6 || strcmp(end, "m") || !mib || mib > 65536)
		return -EINVAL;
	*kind = kinds[0];
	strcpy(kind->name, name);
	kind->size = mib * MIB;
	kind->data = kind->size;
	kind->period = kind->size;
	return 0;
}

int find_kind(const char *name, struct kind *kind)
{
	size_t i;

	for (i = 0; i < NR_KINDS; i++) {
		if (!strcmp(name, kinds[i].name)) {
			*kind = kinds[i];
			return 0;
		}
	}
	return sized_dense(name, kind);
}

void print_kinds(FILE *to)
{
	size_t i;

	for (i = 0; i < NR_KINDS; i++)
		fprintf(to, "  %s\n", kinds[i].name);
	fprintf(to, "  dense-NNm\n");
}

bool next_data(const struct kind *kind, uint64_t *at, struct range *range)
{
	uint64_t start = kind->lead;

	if (*at > start)
		start += (*at - start + kind->period - 1) / kind->period * kind->period;
	if (start >= kind->size)
		return false;
	range->offset = start;
	range->length = kind->data;
	if (range->length > kind->size - start)
		range->length = kind->size - start;
	*at = start + range->length;
	return true;
}

// SPDX-License-Identifier: MIT
#include "layer/runs.h"

void take_blocks(uint16_t *blocks, uint32_t *first, uint32_t *count)
{
	*first = (uint32_t)__builtin_ctz(*blocks);
	*count = (uint32_t)__builtin_ctz(~((uint32_t)*blocks >> *first));
	*blocks &= (uint16_t) ~(((1u << *count) - 1) << *first);
}

int runs_open(struct runs *runs, int map_fd, struct gk_report *report)
{
	int error = map_open(&runs->map, map_fd, report);

	runs->left = error || runs->map.ended ? 0 : runs->map.current.blocks;
	return error;
}

static int step(struct runs *runs)
{
	int error = map_step(&runs->map);

	runs->left = error || runs->map.ended ? 0 : runs->map.current.blocks;
	return error;
}

int runs_next(struct runs *runs, uint64_t *offset, uint64_t *length)
{
	uint32_t first, count;
	uint64_t end;
	int error;

	if (!runs->left)
		return 0;
	take_blocks(&runs->left, &first, &count);
	*offset = runs->map.current.unit * UNIT_BYTES + first * BLOCK_BYTES;
	end = *offset + count * BLOCK_BYTES;
	while (!runs->left) {
		error = step(runs);
		if (error)
			return error;
		if (!runs->left || runs->map.current.unit * UNIT_BYTES != end || !(runs->left & 1))
			break;
		take_blocks(&runs->left, &first, &count);
		end += count * BLOCK_BYTES;
	}
	if (end > runs->map.size)
		end = runs->map.size;
	*length = end - *offset;
	return 1;
}

void runs_close(struct runs *runs)
{
	map_close(&runs->map);
}

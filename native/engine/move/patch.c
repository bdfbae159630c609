// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/report.h"
#include "move/patch.h"

#define RUN_BYTES 8

static void add_page(struct patch *patch, uint64_t number, const unsigned char *bytes, uint64_t length)
{
	unsigned char *run = patch->runs + (size_t)patch->runs_count * RUN_BYTES;

	if (patch->runs_count > 0 && number == patch->next_page) {
		run -= RUN_BYTES;
		put_number(run + 4, get_number(run + 4, 4) + 1, 4);
	} else {
		put_number(run, number, 4);
		put_number(run + 4, 1, 4);
		patch->runs_count++;
	}
	memcpy(patch->bytes + patch->bytes_count, bytes, length);
	patch->bytes_count += length;
	patch->next_page = number + 1;
	patch->pages++;
}

uint64_t patch_add(struct patch *patch, uint64_t from, const struct changed_block *changed)
{
	struct patched_block *block = &patch->blocks[patch->blocks_count++];
	uint64_t first = (changed->block * BLOCK_SIZE - from) / PAGE_BYTES, before = patch->bytes_count;

	block->block = changed->block;
	memcpy(block->entry, changed->entry, ENTRY_BYTES);
	memcpy(block->tags, changed->tags, BLOCK_TAGS_BYTES);
	for (uint64_t page = 0; page * PAGE_BYTES < changed->length; page++) {
		uint64_t at = page * PAGE_BYTES, rest = changed->length - at;

		if (changed->pages & (1 << page))
			add_page(patch, first + page, changed->bytes + at,
				 rest < PAGE_BYTES ? rest : PAGE_BYTES);
	}
	return patch->bytes_count - before;
}

static int set_unknown(const struct patch *patch, int table)
{
	int error = 0;

	for (uint32_t i = 0, row; !error && i < patch->blocks_count; i += row) {
		for (row = 1; i + row < patch->blocks_count; row++)
			if (patch->blocks[i + row].block != patch->blocks[i].block + row)
				break;
		error = table_set_unknown(table, patch->blocks[i].block, row);
	}
	return error;
}

int patch_send(struct patch *patch, struct sender *sender, uint32_t handle, unsigned char *place,
	       struct gk_report *report)
{
	struct iovec pieces[3] = {
		{ place, GK_MOVE_PATCH_HEAD_BYTES },
		{ patch->runs, (size_t)patch->runs_count * RUN_BYTES },
		{ patch->bytes, patch->bytes_count },
	};
	uint32_t sequence;
	int error = sender_make_room(sender, patch->blocks_count, report);

	if (!error)
		error = sender_table(sender, handle, report);
	if (error)
		return error;
	error = set_unknown(patch, sender->table);
	if (error)
		return fail(report, error, 0, "cannot use the table %s", sender->ghosts[handle].key);
	put_number(place + GK_MOVE_PATCH_HEAD_BYTES - 8, patch->runs_count, 8);
	error = sender_send(sender, FRAME_PATCH, pieces, 3, &sequence, report);
	if (error)
		return error;
	for (uint32_t i = 0; i < patch->blocks_count; i++)
		sender_note(sender, sequence, handle, patch->blocks[i].block, 1, patch->blocks[i].entry,
			    patch->blocks[i].tags);
	patch->pages = patch->runs_count = patch->blocks_count = 0;
	patch->bytes_count = 0;
	return 0;
}

// SPDX-License-Identifier: MIT
/* Writes the changed pages of a ghost at the receiver: a frame `patch`. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/report.h"
#include "blake3/blake3.h"
#include "move/link.h"
#include "move/table.h"

#define RUN_BYTES 8

struct patch {
	int data, table;
	uint64_t offset, length;
	const unsigned char *runs, *bytes;
	uint32_t runs_count, bytes_count;
};

/* Bytes from the offset of the patch. */
struct run {
	uint64_t at, end;
};

/* The run with this index. It is cut at the end of the range, which may lie inside the ghost's last page. */
static struct run run_of(const struct patch *patch, uint32_t index)
{
	const unsigned char *pair = patch->runs + (size_t)index * RUN_BYTES;
	uint64_t first = get_number(pair, 4), count = get_number(pair + 4, 4);
	uint64_t end = (first + count) * PAGE_BYTES;

	return (struct run){ first * PAGE_BYTES, end < patch->length ? end : patch->length };
}

/* Runs ascend, lie in the range, and have as many bytes as came. */
static bool is_sound(const struct patch *patch)
{
	uint64_t done = 0, bytes = 0;

	if (patch->offset % BLOCK_SIZE || patch->length > GK_MOVE_SAME_BLOCKS * BLOCK_SIZE)
		return false;
	for (uint32_t i = 0; i < patch->runs_count; i++) {
		struct run run = run_of(patch, i);

		if (run.at < done || run.end <= run.at)
			return false;
		done = run.end;
		bytes += run.end - run.at;
	}
	return bytes == patch->bytes_count;
}

/*
 * The range lies in the ghost and ends with a block, or with the ghost. An entry of a block that is cut off
 * would not be that of the block.
 */
static int check_range(const struct patch *patch)
{
	struct stat about;
	uint64_t size, end;

	if (fstat(patch->data, &about) < 0)
		return -errno;
	size = (uint64_t)about.st_size;
	if (patch->offset > size || patch->length > size - patch->offset)
		return -EINVAL;
	end = patch->offset + patch->length;
	return end % BLOCK_SIZE == 0 || end == size ? 0 : -EINVAL;
}

/* Make the entries of all blocks that have changed pages unknown. */
static void mark(const struct patch *patch, unsigned char *entries)
{
	for (uint32_t i = 0; i < patch->runs_count; i++) {
		struct run run = run_of(patch, i);
		uint64_t first = run.at / BLOCK_SIZE;

		memset(entries + first * ENTRY_BYTES, 0xff, (blocks_of(run.end) - first) * ENTRY_BYTES);
	}
}

static int write_runs(const struct patch *patch)
{
	const unsigned char *bytes = patch->bytes;

	for (uint32_t i = 0; i < patch->runs_count; i++) {
		struct run run = run_of(patch, i);
		struct iovec piece = { (void *)(uintptr_t)bytes, run.end - run.at };
		int error = writev_full(patch->data, &piece, 1, patch->offset + run.at);

		if (error)
			return error;
		bytes += run.end - run.at;
	}
	return 0;
}

/*
 * Digest the blocks that have changed pages, as the file has them now. An entry that was unknown before, and
 * whose block has no changed page, stays unknown.
 */
static int digest_changed(const struct patch *patch, unsigned char *entries, uint32_t counts[3])
{
	unsigned char block[BLOCK_SIZE];
	uint64_t next = 0;

	for (uint32_t i = 0; i < patch->runs_count; i++) {
		struct run run = run_of(patch, i);
		uint64_t first = run.at / BLOCK_SIZE;

		for (uint64_t number = first < next ? next : first; number < blocks_of(run.end); number++) {
			uint64_t at = number * BLOCK_SIZE, rest = patch->length - at;
			unsigned char *entry = entries + number * ENTRY_BYTES;
			int64_t got = read_full(patch->data, block, rest < BLOCK_SIZE ? rest : BLOCK_SIZE,
						patch->offset + at);

			if (got < 0)
				return (int)got;
			counts[1] += entry_is_zero(entry);
			counts[2]++;
			block_entry(block, (uint64_t)got, entry);
		}
		next = blocks_of(run.end);
	}
	return 0;
}

static bool have_digest(const unsigned char *entries, uint64_t count, const unsigned char *digest)
{
	unsigned char ours[BLAKE3_OUT_LEN];
	blake3_hasher hasher;

	for (uint64_t i = 0; i < count; i++)
		if (entry_is_unknown(entries + i * ENTRY_BYTES))
			return false;
	blake3_hasher_init(&hasher);
	blake3_hasher_update(&hasher, entries, count * ENTRY_BYTES);
	blake3_hasher_finalize(&hasher, ours, sizeof(ours));
	return memcmp(ours, digest, sizeof(ours)) == 0;
}

static int store_patch(const struct patch *patch, unsigned char *entries, uint32_t counts[3],
		       struct gk_report *report)
{
	unsigned char marked[GK_MOVE_SAME_BLOCKS * ENTRY_BYTES];
	uint64_t first = patch->offset / BLOCK_SIZE, count = blocks_of(patch->length);
	int error = table_get(patch->table, first, count, entries);

	if (!error) {
		memcpy(marked, entries, count * ENTRY_BYTES);
		mark(patch, marked);
		error = table_put(patch->table, first, count, marked);
	}
	if (error)
		return fail(report, error, patch->offset, "cannot write the table of a ghost");
	error = write_runs(patch);
	if (!error)
		error = digest_changed(patch, entries, counts);
	if (error)
		return fail(report, error, patch->offset, "cannot write a ghost at offset %llu",
			    (unsigned long long)patch->offset);
	/* As for data: the fsync that comes later has less to wait for, and reports errors. */
	(void)sync_file_range(patch->data, (off_t)patch->offset, (off_t)patch->length, SYNC_FILE_RANGE_WRITE);
	return 0;
}

GK_PUBLIC int gk_store_patch(int data_fd, int table_fd, const struct gk_patch *about, const void *runs,
			     const void *bytes, void *entries, uint32_t counts[3], struct gk_report *report)
{
	struct patch patch = {
		.data = data_fd,
		.table = table_fd,
		.offset = about->offset,
		.length = about->length,
		.runs = runs,
		.runs_count = about->runs,
		.bytes = bytes,
		.bytes_count = about->bytes,
	};
	int error;

	memset(report, 0, sizeof(*report));
	counts[0] = counts[1] = counts[2] = 0;
	error = is_sound(&patch) ? check_range(&patch) : -EINVAL;
	if (error)
		return fail(report, error, about->offset, "the pages of a patch are not where they can be");
	error = store_patch(&patch, entries, counts, report);
	if (!error)
		counts[0] = have_digest(entries, blocks_of(about->length), about->digest);
	return error;
}

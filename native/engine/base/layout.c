// SPDX-License-Identifier: MIT
/*
 * Lists the layout that ghostkeep.h defines. src/host/native/layout.ts cannot include the header
 * and holds a copy to compare.
 */
#include <stddef.h>
#include <stdio.h>

#include "base/report.h"

/* clang-format would take #type for a preprocessor directive. */
/* clang-format off */
#define SIZE(type) { #type, sizeof(struct type), NOWHERE }
#define FIELD(type, field) \
	{ #type "." #field, sizeof(((struct type *)0)->field), offsetof(struct type, field) }
#define VALUE(name) { #name, (uint64_t)(name), NOWHERE }
/* clang-format on */
#define NOWHERE UINT64_MAX

static const struct entry {
	const char *name;
	uint64_t value; /* the value, or the size in bytes */
	uint64_t at;
} entries[] = {
	VALUE(GK_MESSAGE_BYTES),
	VALUE(GK_NAME_BYTES),
	VALUE(GK_ENGINE_AUTO),
	VALUE(GK_ENGINE_FIEMAP),
	VALUE(GK_ENGINE_SEEK),
	VALUE(GK_ENGINE_READ),
	VALUE(GK_EXTENT_DATA),
	VALUE(GK_EXTENT_UNWRITTEN),
	VALUE(GK_COPY_REFLINK),
	VALUE(GK_COPY_RANGE),
	VALUE(GK_COPY_READ_WRITE),
	VALUE(GK_DUMP_CHUNKED),
	VALUE(GK_DUMP_DETECT_ZEROES),
	VALUE(GK_DUMP_OVER),
	VALUE(GK_LEVELS_MAX),
	VALUE(GK_GREETING_BYTES),
	VALUE(GK_FRAME_HEAD_BYTES),
	VALUE(GK_FRAME_PAYLOAD_MAX),
	VALUE(GK_MOVE_BLOCK_BYTES),
	VALUE(GK_MOVE_ENTRY_BYTES),
	VALUE(GK_MOVE_SAME_BLOCKS),

	SIZE(gk_extent),
	FIELD(gk_extent, offset),
	FIELD(gk_extent, length),
	FIELD(gk_extent, kind),
	FIELD(gk_extent, flags),

	SIZE(gk_progress),
	FIELD(gk_progress, done_bytes),
	FIELD(gk_progress, cancel),
	FIELD(gk_progress, reserved),

	SIZE(gk_report),
	FIELD(gk_report, data_bytes),
	FIELD(gk_report, chunks),
	FIELD(gk_report, unwritten_bytes),
	FIELD(gk_report, image_bytes),
	FIELD(gk_report, size),
	FIELD(gk_report, kept_bytes),
	FIELD(gk_report, differing_bytes),
	FIELD(gk_report, uncompared_bytes),
	FIELD(gk_report, failed_offset),
	FIELD(gk_report, engine),
	FIELD(gk_report, fallbacks),
	FIELD(gk_report, ways),
	FIELD(gk_report, crc32c),
	FIELD(gk_report, message),

	SIZE(gk_open_file),
	FIELD(gk_open_file, fd),
	FIELD(gk_open_file, dev),
	FIELD(gk_open_file, ino),

	SIZE(gk_open_room),
	FIELD(gk_open_room, local),
	FIELD(gk_open_room, presumed),
	FIELD(gk_open_room, capacity),

	SIZE(gk_open_counts),
	FIELD(gk_open_counts, looked),
	FIELD(gk_open_counts, files),
	FIELD(gk_open_counts, suspects),
	FIELD(gk_open_counts, carriers),

	SIZE(gk_stat),
	FIELD(gk_stat, dev),
	FIELD(gk_stat, ino),
	FIELD(gk_stat, mode),
	FIELD(gk_stat, nlink),
	FIELD(gk_stat, uid),
	FIELD(gk_stat, gid),
	FIELD(gk_stat, rdev),
	FIELD(gk_stat, size),
	FIELD(gk_stat, allocated),
	FIELD(gk_stat, block_bytes),
	FIELD(gk_stat, atime_sec),
	FIELD(gk_stat, atime_nsec),
	FIELD(gk_stat, mtime_sec),
	FIELD(gk_stat, mtime_nsec),
	FIELD(gk_stat, ctime_sec),
	FIELD(gk_stat, ctime_nsec),
	FIELD(gk_stat, birth_sec),
	FIELD(gk_stat, birth_nsec),
	FIELD(gk_stat, mount_id),

	SIZE(gk_look),
	FIELD(gk_look, fd),
	FIELD(gk_look, error),
	FIELD(gk_look, mount_id),
	FIELD(gk_look, flags),
	FIELD(gk_look, position),
	FIELD(gk_look, name_bytes),
	FIELD(gk_look, stat),

	SIZE(gk_answer),
	FIELD(gk_answer, done),
	FIELD(gk_answer, error),
	FIELD(gk_answer, magic),
	FIELD(gk_answer, stat),

	SIZE(gk_sought),
	FIELD(gk_sought, dev),
	FIELD(gk_sought, ino),
	FIELD(gk_sought, pid),

	SIZE(gk_pin),
	FIELD(gk_pin, fd),
	FIELD(gk_pin, inode_flags),
	FIELD(gk_pin, xattr_bytes),
	FIELD(gk_pin, stat),

	SIZE(gk_dump_job),
	FIELD(gk_dump_job, ghost_fd),
	FIELD(gk_dump_job, size),
	FIELD(gk_dump_job, flags),
	FIELD(gk_dump_job, header_at),
	FIELD(gk_dump_job, header_bytes),
	FIELD(gk_dump_job, name_at),
	FIELD(gk_dump_job, error),
	FIELD(gk_dump_job, after),
	FIELD(gk_dump_job, report),

	SIZE(gk_level),
	FIELD(gk_level, image_fd),
	FIELD(gk_level, map_fd),
	FIELD(gk_level, data_fd),
	FIELD(gk_level, given_fd),
	FIELD(gk_level, given_below),

	SIZE(gk_part),
	FIELD(gk_part, first),
	FIELD(gk_part, most_bytes),
	FIELD(gk_part, check),
	FIELD(gk_part, next),
	FIELD(gk_part, done),

	SIZE(gk_name),
	FIELD(gk_name, bytes),

	SIZE(gk_patch),
	FIELD(gk_patch, offset),
	FIELD(gk_patch, length),
	FIELD(gk_patch, runs),
	FIELD(gk_patch, bytes),
	FIELD(gk_patch, digest),
};

GK_PUBLIC uint32_t gk_layout(char *text, uint32_t capacity)
{
	uint32_t used = 0;

	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		const struct entry *entry = &entries[i];
		uint32_t room = used < capacity ? capacity - used : 0;
		char *to = room ? text + used : NULL;

		if (entry->at == NOWHERE)
			used += (uint32_t)snprintf(to, room, "%s %llu\n", entry->name,
						   (unsigned long long)entry->value);
		else
			used += (uint32_t)snprintf(to, room, "%s %llu at %llu\n", entry->name,
						   (unsigned long long)entry->value,
						   (unsigned long long)entry->at);
	}
	return used;
}

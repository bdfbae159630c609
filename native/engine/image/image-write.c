// SPDX-License-Identifier: MIT
/* Begins and ends a ghost image, and checks ghost and image before, and the ghost again after. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/memory.h"
#include "base/report.h"
#include "copy/copy.h"
#include "image/image-body.h"
#include "image/image-chunks.h"
#include "image/image-write.h"
#include "map/walk.h"

/*
 * The longest extent that the read engine may give. It finds data by reading the file, so the data
 * is in the page cache afterwards. With this limit the data is copied while it is still there.
 * Otherwise a large file on a server would be fetched twice.
 */
#define READ_CHUNK_BYTES (UINT64_C(64) << 20)

struct dump_room {
	struct dump dump;
	unsigned char *window;
	unsigned char *earlier; /* NULL until a dump needs it */
};

static int prepare(struct dump *dump, struct dump_room *room, const struct dump_request *request);
static int check_files(struct dump *dump);
static int cut_off(struct dump *dump);

GK_PUBLIC int gk_dump(int ghost_fd, int image_fd, uint32_t engine, uint64_t size, const void *header,
		      uint64_t header_bytes, uint32_t flags, struct gk_progress *progress,
		      struct gk_report *report)
{
	const struct dump_request request = {
		.ghost_fd = ghost_fd,
		.image_fd = image_fd,
		.engine = engine,
		.flags = flags,
		.size = size,
		.header = header,
		.header_bytes = header_bytes,
		.progress = progress,
	};
	struct dump_room *room = dump_room_new();
	int error;

	memset(report, 0, sizeof(*report));
	report->size = size;
	if (!room)
		return fail(report, -ENOMEM, 0, "cannot dump a ghost");
	error = dump_ghost(room, &request, report);
	dump_room_free(room);
	return error;
}

struct dump_room *dump_room_new(void)
{
	struct dump_room *room = calloc(1, sizeof(*room));

	if (!room)
		return NULL;
	room->window = window_alloc(WINDOW_BYTES);
	if (room->window)
		return room;
	free(room);
	return NULL;
}

void dump_room_free(struct dump_room *room)
{
	if (room) {
		free(room->earlier);
		free(room->window);
	}
	free(room);
}

int dump_ghost(struct dump_room *room, const struct dump_request *request, struct gk_report *report)
{
	struct dump *dump = memset(&room->dump, 0, sizeof(room->dump));
	bool chunked = request->flags & GK_DUMP_CHUNKED;
	int error;

	memset(report, 0, sizeof(*report));
	report->size = request->size;
	dump->report = report;
	error = prepare(dump, room, request);
	if (error)
		return error;
	error = check_files(dump);
	/*
	 * The first place is looked up before anything is written: the new head may be longer than
	 * the earlier one, and then overwrites the header of the first chunk.
	 */
	if (!error && dump->over && chunked)
		places_open(&dump->places, request->image_fd, dump->earlier_bytes);
	gather_head(&dump->gather, request->header, request->header_bytes);
	if (!error)
		error = dump_body(dump, chunked);
	walk_ahead_end(&dump->ahead);
	places_close(&dump->places);
	if (!error)
		error = check_still_whole(dump);
	if (!error && dump->over)
		error = cut_off(dump);

	report->kept_bytes = dump->earlier.kept;
	report->differing_bytes = dump->earlier.differing;
	report->uncompared_bytes = dump->earlier.uncompared;
	report->image_bytes = dump->gather.position;
	report->engine = chunked ? dump->walk.engine : (uint32_t)GK_ENGINE_READ;
	report->fallbacks = dump->walk.fallbacks;
	report->ways = dump->copier.used;
	if (!error)
		snprintf(report->message, sizeof(report->message), "%s",
			 chunked ? dump->walk.why : "so small a file is copied whole");
	walk_close(&dump->walk);
	walk_close(&dump->zeroes);
	return error;
}

static int open_walks(struct dump *dump, const struct dump_request *request)
{
	int error = walk_open(&dump->walk, request->ghost_fd, request->engine, request->size, 0);

	if (error)
		return fail(dump->report, error, 0,
			    "cannot look for data in the ghost with engine %u in %llu bytes", request->engine,
			    (unsigned long long)request->size);
	error = walk_open(&dump->zeroes, request->ghost_fd, GK_ENGINE_READ, 0, 0);
	if (error)
		return fail(dump->report, error, 0, "cannot look for zeroes");
	dump->ahead.walk = &dump->walk;
	dump->walk.progress = dump->zeroes.progress = request->progress;
	dump->walk.read_limit = dump->zeroes.read_limit = READ_CHUNK_BYTES;
	return 0;
}

static int prepare(struct dump *dump, struct dump_room *room, const struct dump_request *request)
{
	int error;

	dump->over = request->flags & GK_DUMP_OVER;
	if (dump->over && !room->earlier)
		room->earlier = window_alloc(EARLIER_BYTES);
	if (dump->over && !room->earlier)
		return fail(dump->report, -ENOMEM, 0, "cannot compare with the earlier image");
	error = open_walks(dump, request);
	if (error)
		return error;
	copier_init(&dump->copier, request->ghost_fd, request->image_fd, room->window, request->progress);
	dump->earlier.room = dump->over ? room->earlier : NULL;
	dump->copier.earlier = dump->gather.earlier = &dump->earlier;
	dump->detect_zeroes = request->flags & GK_DUMP_DETECT_ZEROES;
	dump->progress = request->progress;
	dump->size = request->size;
	dump->gather.from = request->ghost_fd;
	dump->gather.to = request->image_fd;
	dump->gather.window = room->window;
	return 0;
}

static int check_files(struct dump *dump)
{
	struct stat about;

	if (fstat(dump->copier.to, &about) < 0)
		return fail(dump->report, -errno, 0, "cannot look at the image");
	if (!S_ISREG(about.st_mode) || (about.st_size != 0 && !dump->over))
		return fail(dump->report, -EINVAL, 0, "the image is not an empty regular file");
	dump->earlier_bytes = (uint64_t)about.st_size;
	dump->align = block_bytes(&about);
	return check_still_whole(dump);
}

/* Remove what an earlier image has behind the end of this one. */
static int cut_off(struct dump *dump)
{
	if (dump->earlier_bytes <= dump->gather.position ||
	    ftruncate(dump->copier.to, (off_t)dump->gather.position) == 0)
		return 0;
	return fail(dump->report, -errno, dump->gather.position, "cannot cut off the earlier image");
}

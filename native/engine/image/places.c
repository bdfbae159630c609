// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "image/places.h"

/* To write a smaller image takes no longer than to look where it has its data. */
#define WORTH_BYTES (UINT64_C(256) << 10)

/*
 * To find the headers of small chunks means to read the whole image once more. So after this many
 * small chunks in a row, the rest is written as if there were no places.
 */
#define SMALL_MAX 4096

/* The memory for this many ranges is 1 MiB. */
#define PUT_OFFS_MAX 65536

static void read_next(struct places *places)
{
	struct image *image = &places->image;

	if (places->small > SMALL_MAX || image_next(image, &places->next) <= 0) {
		places_end(places);
		return;
	}
	places->small = places->next.length < LARGE_BYTES ? places->small + 1 : 0;
	places->last = image->position == image->bytes;
}

void places_open(struct places *places, int fd, uint64_t bytes)
{
	memset(places, 0, sizeof(*places));
	/* A small image is not even opened: the window for that costs more than the dump. */
	if (bytes < WORTH_BYTES)
		return;
	if (image_open_headers(&places->image, fd, &places->report) < 0 || !places->image.chunked) {
		places_end(places);
		return;
	}
	read_next(places);
}

void places_skip(struct places *places, uint64_t offset)
{
	while (places->next.length && places->next.offset + places->next.length <= offset)
		read_next(places);
}

void places_end(struct places *places)
{
	image_close(&places->image);
	places->next.length = 0;
}

bool places_put_off(struct places *places, uint64_t offset, uint64_t length)
{
	struct put_off *last;

	if (!places->put_off)
		places->put_off = malloc(PUT_OFFS_MAX * sizeof(*places->put_off));
	if (!places->put_off)
		return false;
	last = places->put_offs ? &places->put_off[places->put_offs - 1] : NULL;
	if (last && last->offset + last->length == offset) {
		last->length += length;
		return true;
	}
	if (places->put_offs == PUT_OFFS_MAX)
		return false;
	places->put_off[places->put_offs++] = (struct put_off){ offset, length };
	return true;
}

void places_close(struct places *places)
{
	places_end(places);
	free(places->put_off);
	places->put_off = NULL;
}

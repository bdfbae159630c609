/* SPDX-License-Identifier: MIT */
/* One ghost image in memory, made byte by byte, and the engine's verdict on it. */
#ifndef TEST_FORGE_H
#define TEST_FORGE_H

#include <stdint.h>

#include "ghostkeep.h"
#include "place.h"

extern unsigned char forged[2 << 20];
extern uint32_t forged_bytes; /* the number of bytes in it */

/* Begin a new image, in chunks, of a file of this size. */
void start(uint64_t size);
void put(const void *bytes, uint32_t length);
/* Add a protobuf message with its length before it. */
void put_entry(const void *bytes, uint32_t length);
/* Add a chunk and its data. len and off are below 128, so each takes one byte. */
void put_chunk(unsigned char length, unsigned char offset);

/* Returns the verdict of check, restore and chunks on the image; the three must agree. */
int verdict(const struct place *place, struct gk_report *report);

#endif

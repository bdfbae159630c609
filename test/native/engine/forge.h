/* SPDX-License-Identifier: MIT */
/* One ghost image in memory, made byte by byte, and what the engine says about it. */
#ifndef TEST_FORGE_H
#define TEST_FORGE_H

#include <stdint.h>

#include "ghostkeep.h"
#include "place.h"

extern unsigned char forged[2 << 20];
extern uint32_t forged_bytes; /* bytes of it */

/* Begin a new image of a file of this size, in chunks. */
void start(uint64_t size);
void put(const void *bytes, uint32_t length);
/* A protobuf message behind its length. */
void put_entry(const void *bytes, uint32_t length);
/* A chunk and its data. len and off are below 128, so that each is one byte. */
void put_chunk(unsigned char length, unsigned char offset);

/* The verdict of check, restore and chunks about the image; they must agree. */
int verdict(const struct place *place, struct gk_report *report);

#endif

/* SPDX-License-Identifier: MIT */
/* The part of a ghost image behind its head. */
#ifndef GK_IMAGE_BODY_H
#define GK_IMAGE_BODY_H

#include "image/dump.h"

/*
 * Write the whole body, as chunks or as raw bytes. Returns 0, or a negative errno with a message in
 * the report.
 */
int dump_body(struct dump *dump, bool chunked);

#endif

/* SPDX-License-Identifier: MIT */
/* Reads a ghost in windows, and sends each block as what it is. */
#ifndef GK_SEND_WINDOWS_H
#define GK_SEND_WINDOWS_H

#include "move/send-blocks.h"

/* Read the blocks from body->done up to the offset until, and send or hold each as what it is. */
int windows_send(struct body *body, uint64_t until);

#endif

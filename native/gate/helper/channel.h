/* SPDX-License-Identifier: MIT */
/* Sends and receives lines through the socket between the gate and its helper. */
#ifndef GATE_CHANNEL_H
#define GATE_CHANNEL_H

#include <stddef.h>

#define CHANNEL_LINE_BYTES 4096 /* with its newline */

struct channel {
	int fd;	      /* the gate's end of the socket; helper.c closes it */
	size_t used;  /* bytes in buffer */
	size_t taken; /* bytes in buffer that were handed out as lines */
	char buffer[CHANNEL_LINE_BYTES];
};

/* Send text and a newline, without ever waiting. Returns 0 or a negative errno. */
int channel_send(struct channel *channel, const char *text);

/*
 * Take the next line, without its newline; it is valid until the next call.
 * Waits at most timeout_ms for it to be complete. Returns 0, -ETIMEDOUT,
 * -EPIPE at the end of the stream, -EMSGSIZE for a line that is too long,
 * -EBADMSG for one with a NUL in it, or what poll(2) or recv(2) said.
 */
int channel_line(struct channel *channel, int timeout_ms, char **line);

#endif

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "helper/channel.h"
#include "helper/deadline.h"

int channel_send(struct channel *channel, const char *text)
{
	char line[CHANNEL_LINE_BYTES + 1];
	int length = snprintf(line, sizeof(line), "%s\n", text);
	ssize_t sent;

	if (length < 0 || (size_t)length >= sizeof(line))
		return -EMSGSIZE;
	/*
	 * Only one request or answer is under way at a time. So a full buffer means that the helper
	 * does not read, and waiting would not help.
	 */
	do {
		sent = send(channel->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return sent == length ? 0 : -EAGAIN;
}

static int take_line(struct channel *channel, char **line)
{
	char *start = channel->buffer + channel->taken;
	size_t length = channel->used - channel->taken;
	char *end = memchr(start, '\n', length);

	if (!end)
		return -EAGAIN;
	*end = '\0';
	channel->taken += end + 1 - start;
	*line = start;
	return strlen(start) == (size_t)(end - start) ? 0 : -EBADMSG;
}

static int receive(struct channel *channel)
{
	ssize_t got;

	memmove(channel->buffer, channel->buffer + channel->taken, channel->used - channel->taken);
	channel->used -= channel->taken;
	channel->taken = 0;
	if (channel->used == sizeof(channel->buffer))
		return -EMSGSIZE;
	got = recv(channel->fd, channel->buffer + channel->used, sizeof(channel->buffer) - channel->used,
		   MSG_DONTWAIT);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (!got)
		return -EPIPE;
	channel->used += got;
	return 0;
}

int channel_line(struct channel *channel, int timeout_ms, char **line)
{
	/* one deadline for the whole line: a line that comes byte by byte does not extend it */
	int64_t deadline = deadline_in(timeout_ms);
	int ret;

	while ((ret = take_line(channel, line)) == -EAGAIN) {
		ret = wait_readable(channel->fd, deadline);
		if (ret < 0)
			return ret;
		if (!ret)
			return -ETIMEDOUT;
		ret = receive(channel);
		if (ret)
			return ret == -ECONNRESET ? -EPIPE : ret;
	}
	return ret;
}

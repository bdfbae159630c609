// SPDX-License-Identifier: MIT
/*
 * A timer of the event loop waits for the event loop, and that may wait for a dead server. This
 * one has a thread of its own. A thread that waits for NFS or FUSE ends with its process.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/report.h"

#define LINE_BYTES 512

static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	int started, armed;
	struct timespec at; /* CLOCK_MONOTONIC */
	int status;
	size_t length;
	char line[LINE_BYTES];
} deadline = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int has_passed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline.at.tv_sec ||
	       (now.tv_sec == deadline.at.tv_sec && now.tv_nsec >= deadline.at.tv_nsec);
}

/* It takes no lock of the C library: who holds one may be the thread that hangs. */
static void end(void)
{
	if (write(STDERR_FILENO, deadline.line, deadline.length) < 0)
		_exit(deadline.status);
	_exit(deadline.status);
}

static void *watch(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&deadline.lock);
	for (;;) {
		if (!deadline.armed)
			pthread_cond_wait(&deadline.moved, &deadline.lock);
		else if (has_passed())
			end();
		else
			pthread_cond_timedwait(&deadline.moved, &deadline.lock, &deadline.at);
	}
	return NULL;
}

static int start(void)
{
	pthread_condattr_t clock;
	pthread_t thread;
	int err;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	err = pthread_cond_init(&deadline.moved, &clock);
	pthread_condattr_destroy(&clock);
	if (!err)
		err = pthread_create(&thread, NULL, watch, NULL);
	if (err)
		return -err;
	pthread_detach(thread);
	deadline.started = 1;
	return 0;
}

GK_PUBLIC int gk_deadline(uint32_t wait_ms, int status, const char *line, struct gk_report *report)
{
	int err = 0;

	memset(report, 0, sizeof(*report));
	pthread_mutex_lock(&deadline.lock);
	if (wait_ms && !deadline.started)
		err = start();
	if (!err && deadline.started) {
		deadline.length = strnlen(line, LINE_BYTES);
		memcpy(deadline.line, line, deadline.length);
		deadline.status = status;
		deadline.armed = wait_ms != 0;
		clock_gettime(CLOCK_MONOTONIC, &deadline.at);
		deadline.at.tv_sec += wait_ms / 1000;
		deadline.at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
		if (deadline.at.tv_nsec >= 1000000000) {
			deadline.at.tv_nsec -= 1000000000;
			deadline.at.tv_sec++;
		}
		pthread_cond_signal(&deadline.moved);
	}
	pthread_mutex_unlock(&deadline.lock);
	return err ? fail(report, err, 0, "cannot start a thread for a deadline") : 0;
}

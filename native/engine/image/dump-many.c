// SPDX-License-Identifier: MIT
/*
 * Dumps many small ghosts in one call. For most of them, a call from JavaScript would cost more
 * than the dump itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "base/stat.h"
#include "base/threads.h"
#include "image/image-write.h"

#define WORTH_A_THREAD 8 /* jobs: starting a thread costs about as much as a small file */

struct work {
	int dir_fd;
	uint32_t mode, engine, count;
	struct gk_dump_job *jobs;
	const char *headers, *names;
	uint32_t next; /* shared: the first job that no thread has taken */
};

static int copy(const struct work *work, struct dump_room *room, struct gk_dump_job *job, int image_fd)
{
	const struct dump_request request = {
		.ghost_fd = (int)job->ghost_fd,
		.image_fd = image_fd,
		.engine = work->engine,
		.flags = (uint32_t)job->flags,
		.size = job->size,
		.header = work->headers + job->header_at,
		.header_bytes = job->header_bytes,
	};
	int error = dump_ghost(room, &request, &job->report);

	return error ? error : stat_at((int)job->ghost_fd, "", 0, &job->after);
}

static int do_job(const struct work *work, struct dump_room *room, struct gk_dump_job *job)
{
	const char *name = work->names + job->name_at;
	bool over = job->flags & GK_DUMP_OVER;
	int how = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (over ? O_NONBLOCK : O_CREAT | O_EXCL);
	int fd = openat(work->dir_fd, name, how, work->mode);
	int error;

	if (fd < 0)
		return fail(&job->report, -errno, 0, "cannot %s %.100s", over ? "open" : "make", name);
	error = copy(work, room, job, fd);
	/* Some servers report a failed write only at close. */
	if (close(fd) < 0 && !error)
		error = fail(&job->report, -errno, 0, "cannot write %.100s", name);
	if (error && unlinkat(work->dir_fd, name, 0) < 0)
		fail(&job->report, -errno, 0, "cannot remove %.100s", name);
	return error;
}

static void do_jobs(void *argument)
{
	struct work *work = argument;
	struct dump_room *room = dump_room_new();
	uint32_t i;

	while ((i = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED)) < work->count) {
		struct gk_dump_job *job = &work->jobs[i];

		memset(&job->report, 0, sizeof(job->report));
		job->error = room ? do_job(work, room, job) :
				    fail(&job->report, -ENOMEM, 0, "cannot dump a ghost");
	}
	dump_room_free(room);
}

GK_PUBLIC int gk_dump_many(int dir_fd, uint32_t mode, uint32_t engine, uint32_t count,
			   struct gk_dump_job *jobs, const void *headers, const char *names,
			   struct gk_report *report)
{
	struct work work = { dir_fd, mode, engine, count, jobs, headers, names, 0 };

	memset(report, 0, sizeof(*report));
	on_all_processors(do_jobs, &work, count, WORTH_A_THREAD);
	return 0;
}

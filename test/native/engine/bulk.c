// SPDX-License-Identifier: MIT
/* The calls for many at once: each of the many has an answer of its own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cases.h"
#include "ghostkeep.h"
#include "tap.h"

#define MANY 40
#define CLOSED 1000000		/* no descriptor of ours */

static void look_at(const struct place *place)
{
	int ghost = ghost_in(place), other = ghost_in(place);
	struct gk_look looks[3] = { { .fd = (uint64_t)ghost }, { .fd = CLOSED }, { .fd = (uint64_t)other } };
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct gk_report report;
	struct stat about;
	uint32_t done;
	char names[3 * 4096];

	begin(place->name, "descriptors are looked at together, each with its own answer");
	expect(write(ghost, "ghost", 5) == 5 && !fstat(ghost, &about), "%m");
	expect(!gk_look_at(proc, 3, looks, names, sizeof(names), &done, &report) && done == 3, "%u: %s",
	       done, report.message);
	expect(!looks[0].error && looks[0].position == 5 && (looks[0].flags & O_ACCMODE) == O_RDWR &&
	       looks[0].mount_id > 0, "%ld at %lu", looks[0].error, looks[0].position);
	expect(looks[0].stat.ino == about.st_ino && looks[0].stat.dev == about.st_dev &&
	       looks[0].stat.nlink == 0 && looks[0].stat.mode == about.st_mode &&
	       looks[0].stat.size == 5 && looks[0].stat.mtime_sec == about.st_mtim.tv_sec &&
	       looks[0].stat.mtime_nsec == about.st_mtim.tv_nsec &&
	       looks[0].stat.allocated == (uint64_t)about.st_blocks * 512, "stat differs");
	expect(looks[0].name_bytes > 10 &&
	       !memcmp(names + looks[0].name_at + looks[0].name_bytes - 10, " (deleted)", 10), "name");
	expect(looks[1].error == -ENOENT && looks[1].name_bytes == 0, "%ld", looks[1].error);
	expect(!looks[2].error && looks[2].stat.ino != about.st_ino, "the third");
	expect(!gk_look_at(proc, 3, looks, names, 4096, &done, &report) && done == 1,
	       "%u with room for one name", done);
	close(proc);
	close(other);
	close(ghost);
}

static void pin(const struct place *place)
{
	struct gk_pin pins[5];
	char paths[5 * PATH_MAX], file[256], fifo[256];
	struct gk_report report;
	int fd, used;

	begin(place->name, "files are pinned together, and nothing but files is opened");
	snprintf(file, sizeof(file), "%s/pinned", place->folder);
	snprintf(fifo, sizeof(fifo), "%s/fifo", place->folder);
	fd = open(file, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	expect(fd >= 0 && !mkfifo(fifo, 0600), "%m");
	used = snprintf(paths, sizeof(paths), "%s%c%s%c%s%c/proc/self/fd/%d%c/proc/self/fd/%d", file, 0, fifo, 0,
			place->folder, 0, CLOSED, 0, fd);
	expect(used < (int)sizeof(paths), "%d", used);
	expect(!gk_pin(paths, 5, pins, &report), "%s", report.message);
	expect(pins[0].fd >= 0 && pins[0].stat.size == 0 && pins[0].xattr_bytes == 0, "%ld", pins[0].fd);
	expect(pins[1].fd == -EINVAL && pins[2].fd == -EINVAL && pins[3].fd == -ENOENT, "%ld %ld %ld",
	       pins[1].fd, pins[2].fd, pins[3].fd);
	expect(pins[4].fd >= 0 && pins[4].stat.ino == pins[0].stat.ino, "through a link: %ld", pins[4].fd);
	expect(fcntl((int)pins[0].fd, F_GETFD) == FD_CLOEXEC, "it would be inherited");
	close((int)pins[4].fd);
	close((int)pins[0].fd);
	if (!fsetxattr(fd, "user.gk", "x", 1, 0)) {
		expect(!gk_pin(file, 1, pins, &report) && pins[0].fd >= 0 && pins[0].xattr_bytes > 0, "xattr");
		close((int)pins[0].fd);
	}
	close(fd);
	unlink(fifo);
	unlink(file);
}

/* Sizes from none to 200 KiB, some with a hole at the start. */
static void fill(int fd, uint32_t i)
{
	uint64_t size = (uint64_t)i * i * 131;
	char *bytes = malloc(size + 1);

	memset(bytes, 'a' + (int)(i % 26), size);
	expect(pwrite(fd, bytes, size, i % 3 ? 0 : 65536) == (ssize_t)size, "%m");
	free(bytes);
}

static bool is_as_alone(int image, const struct gk_dump_job *job, const char *headers,
			const struct place *place)
{
	struct gk_report alone;
	int expected = scratch_in(place);
	struct stat a, b;
	bool same = false;
	char *one, *other;

	expect(!gk_dump((int)job->ghost_fd, expected, GK_ENGINE_AUTO, job->size, headers + job->header_at,
			job->header_bytes, (uint32_t)job->flags, NULL, &alone), "%s", alone.message);
	if (!fstat(image, &a) && !fstat(expected, &b) && a.st_size == b.st_size) {
		one = mmap(NULL, (size_t)a.st_size, PROT_READ, MAP_PRIVATE, image, 0);
		other = mmap(NULL, (size_t)a.st_size, PROT_READ, MAP_PRIVATE, expected, 0);
		same = one != MAP_FAILED && other != MAP_FAILED && !memcmp(one, other, (size_t)a.st_size);
		munmap(one, (size_t)a.st_size);
		munmap(other, (size_t)a.st_size);
	}
	close(expected);
	return same && alone.data_bytes == job->report.data_bytes && alone.chunks == job->report.chunks &&
	       alone.image_bytes == job->report.image_bytes && alone.engine == job->report.engine &&
	       !strcmp(alone.message, job->report.message);
}

static void dump_many(const struct place *place)
{
	struct gk_dump_job *jobs = calloc(MANY, sizeof(*jobs));
	char names[MANY * 16], headers[MANY * 8], path[300];
	int dir = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	const uint32_t there = 7, shrunk = 9;
	struct gk_report report;
	struct stat about;
	uint32_t i;

	begin(place->name, "%d small ghosts in a call are as each alone; those that fail leave nothing", MANY);
	for (i = 0; i < MANY; i++) {
		jobs[i].ghost_fd = (uint64_t)ghost_in(place);
		fill((int)jobs[i].ghost_fd, i);
		expect(!fstat((int)jobs[i].ghost_fd, &about), "%m");
		jobs[i].size = (uint64_t)about.st_size + (i == shrunk);
		jobs[i].flags = about.st_size > 12288 ? GK_DUMP_CHUNKED : 0;
		jobs[i].header_at = i * 8;
		jobs[i].header_bytes = 8;
		snprintf(headers + i * 8, 8, "head%03u", i);
		jobs[i].name_at = i * 16;
		snprintf(names + i * 16, 16, "image-%u", i);
	}
	fd = openat(dir, names + there * 16, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	expect(fd >= 0 && write(fd, "mine", 4) == 4, "%m");
	close(fd);
	expect(!gk_dump_many(dir, 0640, GK_ENGINE_AUTO, MANY, jobs, headers, names, &report), "%s",
	       report.message);
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "%s/image-%u", place->folder, i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (i == there)
			expect(jobs[i].error == -EEXIST && !fstat(fd, &about) && about.st_size == 4, "%s",
			       jobs[i].report.message);
		else if (i == shrunk)
			expect(jobs[i].error == -ESTALE && fd < 0, "%s", jobs[i].report.message);
		else if (expect(!jobs[i].error && fd >= 0 && !fstat(fd, &about), "%u: %s", i,
				jobs[i].report.message))
			expect((about.st_mode & 0777) == 0640 && jobs[i].after.size == jobs[i].size &&
			       is_as_alone(fd, &jobs[i], headers, place), "image %u differs", i);
		if (fd >= 0)
			close(fd);
		unlink(path);
		close((int)jobs[i].ghost_fd);
	}
	close(dir);
	free(jobs);
}

void bulk_cases(const struct place *place)
{
	look_at(place);
	pin(place);
	dump_many(place);
}

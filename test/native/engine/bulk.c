// SPDX-License-Identifier: MIT
/* The calls that handle many files at once: each file gets an answer of its own. */
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
#include "wrap.h"

#define MANY 40
#define LOOKS 300u
#define CLOSED 1000000 /* no descriptor of ours */

static void look_at_many(int proc)
{
	struct gk_look *looks = calloc(LOOKS, sizeof(*looks));
	char *names = malloc(LOOKS * GK_NAME_BYTES);
	struct gk_report report;
	uint32_t i;

	expect(looks && names, "%m");
	for (i = 0; i < LOOKS; i++)
		looks[i].fd = i % 2 ? CLOSED : (uint64_t)proc;
	expect(!gk_look_at(proc, LOOKS, looks, names, &report), "%s", report.message);
	for (i = 0; i < LOOKS; i++) {
		if (i % 2)
			expect(looks[i].error == -ENOENT && !looks[i].name_bytes, "%u: %ld", i,
			       looks[i].error);
		else
			expect(!looks[i].error && looks[i].stat.ino && looks[i].name_bytes > 6 &&
				       !memcmp(names + i * GK_NAME_BYTES, "/proc/", 6),
			       "%u: %ld", i, looks[i].error);
	}
	free(names);
	free(looks);
}

static void look_at(const struct place *place)
{
	int ghost = ghost_in(place), other = ghost_in(place);
	struct gk_look looks[3] = { { .fd = (uint64_t)ghost }, { .fd = CLOSED }, { .fd = (uint64_t)other } };
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct gk_report report;
	struct stat about;
	char names[3 * GK_NAME_BYTES];

	begin(place->name, "descriptors are looked at together, each with its own answer");
	expect(write(ghost, "ghost", 5) == 5 && !fstat(ghost, &about), "%m");
	expect(!gk_look_at(proc, 3, looks, names, &report), "%s", report.message);
	expect(!looks[0].error && looks[0].position == 5 && (looks[0].flags & O_ACCMODE) == O_RDWR &&
		       looks[0].mount_id > 0,
	       "%ld at %lu", looks[0].error, looks[0].position);
	expect(looks[0].stat.ino == about.st_ino && looks[0].stat.dev == about.st_dev &&
		       looks[0].stat.nlink == 0 && looks[0].stat.mode == about.st_mode &&
		       looks[0].stat.size == 5 && looks[0].stat.mtime_sec == about.st_mtim.tv_sec &&
		       looks[0].stat.mtime_nsec == about.st_mtim.tv_nsec &&
		       looks[0].stat.allocated == (uint64_t)about.st_blocks * 512,
	       "stat differs");
	expect(looks[0].name_bytes > 10 && !memcmp(names + looks[0].name_bytes - 10, " (deleted)", 10),
	       "name");
	expect(looks[1].error == -ENOENT && looks[1].name_bytes == 0, "%ld", looks[1].error);
	expect(!looks[2].error && looks[2].stat.ino != about.st_ino, "the third");
	close(other);
	close(ghost);
	look_at_many(proc);
	close(proc);
}

static void pin(const struct place *place)
{
	struct gk_pin pins[5];
	char paths[5 * PATH_MAX], file[256], fifo[256];
	struct gk_report report;
	int fd, used;

	begin(place->name, "files are pinned together, and only regular files are opened");
	snprintf(file, sizeof(file), "%s/pinned", place->folder);
	snprintf(fifo, sizeof(fifo), "%s/fifo", place->folder);
	fd = open(file, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	expect(fd >= 0 && !mkfifo(fifo, 0600), "%m");
	used = snprintf(paths, sizeof(paths), "%s%c%s%c%s%c/proc/self/fd/%d%c/proc/self/fd/%d", file, 0, fifo,
			0, place->folder, 0, CLOSED, 0, fd);
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
		expect(!gk_pin(file, 1, pins, &report) && pins[0].fd >= 0 && pins[0].xattr_bytes > 0,
		       "xattr");
		close((int)pins[0].fd);
	}
	close(fd);
	unlink(fifo);
	unlink(file);
}

static char swapped[256], other[256];
static int opens_left; /* opens before the swap */

/*
 * Stands for a process that closes a descriptor and opens another file, which gets the same
 * number.
 */
static void swap(void)
{
	if (opens_left-- == 0)
		expect(!rename(other, swapped), "%m");
}

static void pin_what_changes(const struct place *place)
{
	struct gk_report report;
	struct stat about = { 0 };
	struct gk_pin pin;
	int fd, after;

	for (after = 0; after < 2; after++) {
		begin(place->name, "a file that becomes a FIFO %s it is held is %s",
		      after ? "after" : "before", after ? "itself" : "refused");
		snprintf(swapped, sizeof(swapped), "%s/swapped", place->folder);
		snprintf(other, sizeof(other), "%s/other", place->folder);
		fd = open(swapped, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		expect(fd >= 0 && !fstat(fd, &about) && !mkfifo(other, 0600), "%m");
		opens_left = after;
		stand_in.before_open = swap;
		expect(!gk_pin(swapped, 1, &pin, &report), "%s", report.message);
		stand_in_nowhere();
		if (after)
			expect(pin.fd >= 0 && pin.stat.ino == about.st_ino, "%ld", pin.fd);
		else
			expect(pin.fd == -EINVAL, "%ld", pin.fd);
		if (pin.fd >= 0)
			close((int)pin.fd);
		close(fd);
		unlink(swapped);
		unlink(other);
	}
}

/* Files of 0 bytes to 200 KiB, some with a hole at the start. */
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
			job->header_bytes, (uint32_t)job->flags, NULL, &alone),
	       "%s", alone.message);
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

/* The arguments of a call for MANY ghosts; headers and names are strings of 8 and 16 bytes. */
struct many {
	struct gk_dump_job jobs[MANY];
	char headers[MANY * 8], names[MANY * 16];
	int dir;
};

static struct many *many_ghosts(const struct place *place)
{
	struct many *many = calloc(1, sizeof(*many));
	struct stat about;
	uint32_t i;

	expect(many != NULL, "%m");
	many->dir = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < MANY; i++) {
		struct gk_dump_job *job = &many->jobs[i];

		job->ghost_fd = (uint64_t)ghost_in(place);
		fill((int)job->ghost_fd, i);
		expect(!fstat((int)job->ghost_fd, &about), "%m");
		job->size = (uint64_t)about.st_size;
		job->flags = about.st_size > 12288 ? GK_DUMP_CHUNKED : 0;
		job->header_at = i * 8;
		job->header_bytes = 8;
		snprintf(many->headers + i * 8, 8, "head%03u", i);
		job->name_at = i * 16;
		snprintf(many->names + i * 16, 16, "image-%u", i);
	}
	return many;
}

static void dump_many(struct many *many)
{
	struct gk_report report;

	expect(!gk_dump_many(many->dir, 0640, GK_ENGINE_AUTO, MANY, many->jobs, many->headers, many->names,
			     &report),
	       "%s", report.message);
}

static void is_right(const struct many *many, uint32_t i, const struct place *place)
{
	const struct gk_dump_job *job = &many->jobs[i];
	int fd = openat(many->dir, many->names + job->name_at, O_RDONLY | O_CLOEXEC);
	struct stat about;

	if (expect(!job->error && fd >= 0 && !fstat(fd, &about), "%u: %s", i, job->report.message))
		expect((about.st_mode & 0777) == 0640 && job->after.size == job->size &&
			       is_as_alone(fd, job, many->headers, place),
		       "image %u differs", i);
	if (fd >= 0)
		close(fd);
}

static void end_many(struct many *many)
{
	uint32_t i;

	for (i = 0; i < MANY; i++) {
		unlinkat(many->dir, many->names + i * 16, 0);
		close((int)many->jobs[i].ghost_fd);
	}
	close(many->dir);
	free(many);
}

static void many_anew(const struct place *place)
{
	struct many *many = many_ghosts(place);
	const uint32_t there = 7, shrunk = 9;
	struct stat about;
	uint32_t i;
	int fd;

	begin(place->name,
	      "%d small ghosts dumped in one call get the same images as one by one; those that fail leave nothing",
	      MANY);
	many->jobs[shrunk].size++;
	fd = openat(many->dir, many->names + there * 16, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	expect(fd >= 0 && write(fd, "mine", 4) == 4, "%m");
	close(fd);
	dump_many(many);
	for (i = 0; i < MANY; i++) {
		bool exists = !fstatat(many->dir, many->names + i * 16, &about, 0);

		if (i == there)
			expect(many->jobs[i].error == -EEXIST && exists && about.st_size == 4, "%s",
			       many->jobs[i].report.message);
		else if (i == shrunk)
			expect(many->jobs[i].error == -ESTALE && !exists, "%s", many->jobs[i].report.message);
		else
			is_right(many, i, place);
	}
	end_many(many);
}

static void many_over(const struct place *place)
{
	struct many *many = many_ghosts(place);
	const uint32_t missing = 3, link = 5, fifo = 7, changed = 20;
	struct gk_dump_job *jobs = many->jobs;
	const char *names = many->names;
	struct stat about;
	uint32_t i;

	begin(place->name, "%d small ghosts dumped over earlier images get the same images as one by one",
	      MANY);
	dump_many(many);
	for (i = 0; i < MANY; i++)
		jobs[i].flags |= GK_DUMP_OVER;
	expect(pwrite((int)jobs[changed].ghost_fd, "other", 5, 0) == 5, "%m");
	expect(!fstat((int)jobs[changed].ghost_fd, &about), "%m");
	jobs[changed].size = (uint64_t)about.st_size;
	expect(!unlinkat(many->dir, names + missing * 16, 0), "%m");
	expect(!unlinkat(many->dir, names + link * 16, 0) &&
		       !symlinkat("image-0", many->dir, names + link * 16),
	       "%m");
	expect(!unlinkat(many->dir, names + fifo * 16, 0) && !mkfifoat(many->dir, names + fifo * 16, 0600),
	       "%m");
	dump_many(many);
	for (i = 0; i < MANY; i++) {
		const struct gk_dump_job *job = &jobs[i];

		if (i == missing || i == link || i == fifo) {
			expect(job->error == (i == missing ? -ENOENT :
					      i == link	   ? -ELOOP :
							     -EINVAL),
			       "%u: %s", i, job->report.message);
			continue;
		}
		is_right(many, i, place);
		expect(i == changed ? job->report.kept_bytes < job->report.image_bytes :
				      job->report.kept_bytes == job->report.image_bytes,
		       "%u: %lu of %lu kept", i, job->report.kept_bytes, job->report.image_bytes);
	}
	end_many(many);
}

void bulk_cases(const struct place *place)
{
	look_at(place);
	pin(place);
	pin_what_changes(place);
	many_anew(place);
	many_over(place);
}

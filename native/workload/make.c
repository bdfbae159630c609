// SPDX-License-Identifier: MIT
/* Makes ghosts: create by name, fill, open again where wanted, unlink. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "kind.h"
#include "make.h"
#include "pattern.h"
#include "shared.h"
#include "workload.h"

#define WINDOW (256 * 1024)

static uint8_t window[WINDOW];

static int fail(const char *doing, const char *path, int error)
{
	fprintf(stderr, "ghost-workload: cannot %s %s: %s\n", doing, path, strerror(-error));
	return error;
}

static int write_range(int fd, uint64_t seed, const struct range *range)
{
	uint64_t done = 0;
	int err;

	while (done < range->length) {
		size_t part = WINDOW;

		if (part > range->length - done)
			part = range->length - done;
		pattern_fill(seed, range->offset + done, window, part);
		err = write_all(fd, window, part, range->offset + done);
		if (err)
			return err;
		done += part;
	}
	return 0;
}

/*
 * Punch out all ranges that should be holes. Sparse writes do not always leave holes, because xfs
 * preallocates behind them. On a file system that cannot punch holes, the zeroes stay.
 */
static void punch_holes(int fd, const struct kind *kind)
{
	uint64_t at = 0, hole = 0;
	struct range range;

	while (next_data(kind, &at, &range)) {
		if (range.offset > hole)
			(void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)hole,
					 (off_t)(range.offset - hole));
		hole = range.offset + range.length;
	}
	if (kind->size > hole)
		(void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)hole,
				 (off_t)(kind->size - hole));
}

static uint64_t expected_hole_bytes(const struct kind *kind)
{
	uint64_t at = 0, data = 0;
	struct range range;

	while (next_data(kind, &at, &range))
		data += range.length;
	return kind->size - data;
}

static int fill(int fd, const struct kind *kind)
{
	uint64_t seed = pattern_seed(kind->name), at = 0;
	struct range range;
	int err;

	if (ftruncate(fd, (off_t)kind->size))
		return -errno;
	while (next_data(kind, &at, &range)) {
		err = write_range(fd, seed, &range);
		if (err)
			return err;
	}
	if (seek_hole_bytes(fd, kind->size) < expected_hole_bytes(kind))
		punch_holes(fd, kind);
	return 0;
}

static int move_fd(int fd, int to)
{
	if (dup3(fd, to, 0) < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Open the file again while it has a name: this gives another open file description of the same file. */
static int open_second(struct ghost *ghost, const char *path, int at)
{
	int fd = open(path, O_RDONLY | O_APPEND | O_NONBLOCK);
	int err;

	if (fd < 0)
		return -errno;
	err = move_fd(fd, at);
	if (err)
		return err;
	ghost->second_fd = at;
	return lseek(at, 4242, SEEK_SET) < 0 ? -errno : 0;
}

static int map_ghost(struct ghost *ghost)
{
	uint64_t size = ghost->kind.size;
	int prot = PROT_READ | PROT_WRITE;

	ghost->map = mmap(NULL, size, prot, MAP_SHARED, ghost->fd, 0);
	if (ghost->map == MAP_FAILED)
		return -errno;
	if (ghost->kind.shape != SHAPE_MAP)
		return 0;
	ghost->map2 = mmap(NULL, size / 2, prot, MAP_SHARED, ghost->fd, (off_t)(size / 2));
	return ghost->map2 == MAP_FAILED ? -errno : 0;
}

/*
 * Set the times of the ghost at index. They are far from now, so that a file that was merely created
 * again never has them. atime is later than every other time, so that reading never moves it (relatime).
 */
int set_times(int fd, unsigned int index)
{
	struct timespec times[2] = {
		{ .tv_sec = 2147000000 + index, .tv_nsec = 111222333 },
		{ .tv_sec = 1111111111 + index, .tv_nsec = 123456789 },
	};

	return futimens(fd, times) ? -errno : 0;
}

struct holder *add_holder(struct workload *w, const struct ghost *ghost, const char *role, int fd)
{
	struct holder *h = &w->holders[w->nr_holders];
	struct stat st;

	if (w->nr_holders == MAX_HOLDERS || fstat(fd, &st))
		return NULL;
	w->nr_holders++;
	snprintf(h->kind, sizeof(h->kind), "%s", ghost->kind.name);
	snprintf(h->role, sizeof(h->role), "%s", role);
	h->pid = getpid();
	h->fd = fd;
	h->flags = fcntl(fd, F_GETFL) & ~0100000;
	h->size = (uint64_t)st.st_size;
	h->offset = (uint64_t)lseek(fd, 0, SEEK_CUR);
	h->ino = st.st_ino;
	h->hole_bytes = seek_hole_bytes(fd, h->size);
	h->mode = st.st_mode;
	h->uid = st.st_uid;
	h->gid = st.st_gid;
	h->atime = st.st_atim;
	h->mtime = st.st_mtim;
	return h;
}

static void add_map_holder(struct workload *w, const struct ghost *ghost, const char *role,
			   const uint8_t *map, uint64_t length)
{
	struct holder *h = add_holder(w, ghost, role, ghost->fd);

	if (!h)
		return;
	h->fd = -1;
	h->address = (uintptr_t)map;
	h->length = length;
}

static int add_holders(struct workload *w, struct ghost *ghost)
{
	struct holder *h;

	if (ghost->kind.shape != SHAPE_MAP)
		add_holder(w, ghost, "main", ghost->fd);
	if (ghost->dup_fd >= 0)
		add_holder(w, ghost, "dup", ghost->dup_fd);
	if (ghost->second_fd >= 0)
		add_holder(w, ghost, "second", ghost->second_fd);
	if (ghost->map)
		add_map_holder(w, ghost, "map", ghost->map, ghost->kind.size);
	if (ghost->map2)
		add_map_holder(w, ghost, "map2", ghost->map2, ghost->kind.size / 2);
	if (ghost->child) {
		h = add_holder(w, ghost, "child", ghost->fd);
		if (h)
			h->pid = ghost->child;
	}
	return 0;
}

static int make_shared(const char *dir, struct ghost *ghost, const char *path, unsigned int index)
{
	int err = start_second_process(dir, ghost);

	if (err)
		return err;
	ghost->dup_fd = FIRST_EXTRA_FD + 3 * (int)index;
	if (dup3(ghost->fd, ghost->dup_fd, 0) < 0)
		return -errno;
	return open_second(ghost, path, ghost->dup_fd + 1);
}

int make_ghost(struct workload *w, unsigned int index)
{
	struct ghost *ghost = &w->ghosts[index];
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%u.%s", w->dir, FIRST_FD + index, ghost->kind.name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0640);
	if (fd < 0)
		return fail("create", path, -errno);
	ghost->fd = FIRST_FD + (int)index;
	err = move_fd(fd, ghost->fd);
	if (!err)
		err = fill(ghost->fd, &ghost->kind);
	if (err)
		return fail("fill", path, err);
	if (lseek(ghost->fd, (off_t)(ghost->kind.size / 2 + 17), SEEK_SET) < 0)
		return fail("seek in", path, -errno);
	if (ghost->kind.shape == SHAPE_SHARED)
		err = make_shared(w->dir, ghost, path, index);
	if (!err && (ghost->kind.shape == SHAPE_MAP || ghost->kind.shape == SHAPE_FD_AND_MAP))
		err = map_ghost(ghost);
	if (err)
		return fail("hold", path, err);
	if (unlink(path))
		return fail("unlink", path, -errno);
	err = set_times(ghost->fd, index);
	if (err)
		return fail("set the times of", path, err);
	err = add_holders(w, ghost);
	if (ghost->kind.shape == SHAPE_MAP) {
		close(ghost->fd);
		ghost->fd = -1;
	}
	return err;
}

// SPDX-License-Identifier: MIT
/*
 * Changes files without a name in every way that Linux has, until it is killed: writers FOLDER SEED
 * Each thread has one file of its own, and now and then takes another. An operation that the file
 * system does not have fails, and the next one is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 4
#define LEAST (6u << 20)
#define MOST (12u << 20)
#define BLOCK 4096u
#define ROOM (1u << 20)

static const char *folder;

/* An io_uring with room for one request. fd is -1 where the kernel refuses to make one. */
struct ring {
	int fd;
	unsigned *submitted, *completed, *taken, mask;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *results;
};

struct writer {
	uint64_t state; /* of the random numbers: xorshift64 */
	int fd, direct;
	struct ring ring;
	unsigned char *map, *room;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t chance(struct writer *writer, uint64_t below)
{
	writer->state ^= writer->state << 13;
	writer->state ^= writer->state >> 7;
	writer->state ^= writer->state << 17;
	return writer->state % below;
}

static void fill(struct writer *writer, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += 8) {
		uint64_t word = chance(writer, UINT64_MAX);

		memcpy(writer->room + at, &word, 8);
	}
}

static uint64_t size_of(const struct writer *writer)
{
	struct stat about;

	if (fstat(writer->fd, &about) < 0)
		die("fstat");
	return (uint64_t)about.st_size;
}

static void take_file(struct writer *writer)
{
	char path[64];
	uint64_t at;

	if (writer->map != MAP_FAILED)
		munmap(writer->map, MOST);
	if (writer->direct >= 0)
		close(writer->direct);
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (writer->fd < 0)
		die("O_TMPFILE");
	for (at = 0; at < LEAST + chance(writer, 1u << 20); at += ROOM) {
		fill(writer, ROOM);
		if (pwrite(writer->fd, writer->room, ROOM, (off_t)at) != ROOM)
			die("pwrite");
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", writer->fd);
	writer->direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	writer->map = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED, writer->fd, 0);
	if (writer->map == MAP_FAILED)
		die("mmap");
}

/* Source: io_uring(7). */
static void open_ring(struct ring *ring)
{
	struct io_uring_params about = { 0 };
	unsigned char *queue;
	size_t bytes;

	ring->fd = (int)syscall(SYS_io_uring_setup, 1, &about);
	if (ring->fd < 0)
		return;
	bytes = about.cq_off.cqes + about.cq_entries * sizeof(*ring->results);
	queue = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, sizeof(*ring->entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			     IORING_OFF_SQES);
	if (queue == MAP_FAILED || ring->entries == MAP_FAILED || !(about.features & IORING_FEAT_SINGLE_MMAP))
		die("a ring of one mapping");
	ring->submitted = (unsigned *)(queue + about.sq_off.tail);
	ring->completed = (unsigned *)(queue + about.cq_off.tail);
	ring->taken = (unsigned *)(queue + about.cq_off.head);
	ring->mask = *(unsigned *)(queue + about.cq_off.ring_mask);
	ring->results = (struct io_uring_cqe *)(queue + about.cq_off.cqes);
}

/* Half of the requests are given to a worker of the kernel. Waits until the request is done. */
static ssize_t write_by_ring(struct writer *writer, size_t bytes, uint64_t at)
{
	struct ring *ring = &writer->ring;
	unsigned head = *ring->taken, waiting = 1;

	*ring->entries = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE,
		.flags = chance(writer, 2) == 0 ? IOSQE_ASYNC : 0,
		.fd = writer->fd,
		.addr = (uintptr_t)writer->room,
		.len = (unsigned)bytes,
		.off = at,
	};
	__atomic_store_n(ring->submitted, *ring->submitted + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(ring->completed, __ATOMIC_ACQUIRE) == head) {
		long sent =
			syscall(SYS_io_uring_enter, ring->fd, waiting, 1, IORING_ENTER_GETEVENTS, NULL, 0);

		if (sent > 0)
			waiting = 0;
		else if (sent < 0 && errno != EINTR)
			die("io_uring_enter");
	}
	errno = -ring->results[head & ring->mask].res;
	__atomic_store_n(ring->taken, head + 1, __ATOMIC_RELEASE);
	return errno > 0 ? -1 : 0;
}

/*
 * Makes one change. It does not matter whether the file system takes or refuses it: what the file
 * then has is compared.
 */
static void change(struct writer *writer)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
	};
	uint64_t size = size_of(writer);
	uint64_t at = chance(writer, size + 1), length = 1 + chance(writer, 1u << 17);
	uint64_t kind = chance(writer, 16), block = at / BLOCK * BLOCK;
	ssize_t got = 0;

	if (at + length > MOST)
		return;
	switch (kind) {
	case 0 ... 1:
		fill(writer, length);
		if (writer->ring.fd >= 0)
			got = write_by_ring(writer, length, at);
		break;
	case 2:
		fill(writer, length);
		got = pwrite(writer->fd, writer->room, length, (off_t)at);
		break;
	case 3 ... 4:
		fill(writer, 32 * BLOCK);
		if (writer->direct >= 0 && block + 32 * BLOCK <= MOST)
			got = pwrite(writer->direct, writer->room, 32 * BLOCK, (off_t)block);
		break;
	case 5 ... 8:
		/* Nobody else changes the size, so no store can be past the end. */
		if (at + length > size)
			break;
		fill(writer, length);
		memcpy(writer->map + at, writer->room, length);
		break;
	case 9 ... 13: {
		int mode = modes[chance(writer, sizeof(modes) / sizeof(*modes))];

		if (mode == FALLOC_FL_INSERT_RANGE && size + 16 * BLOCK > MOST)
			break;
		if (mode == FALLOC_FL_COLLAPSE_RANGE && size < LEAST / 2)
			break;
		got = fallocate(writer->fd, mode, (off_t)block, (off_t)(16 * BLOCK));
		break;
	}
	case 14:
		got = ftruncate(writer->fd, (off_t)(LEAST / 2 + chance(writer, MOST - LEAST / 2)));
		break;
	case 15:
		if (chance(writer, 40) == 0)
			take_file(writer);
		else if (chance(writer, 4) == 0)
			got = fdatasync(writer->fd);
		break;
	}
	if (got < 0 && errno == ENOSPC)
		die("a full disk proves nothing");
}

static void *write_for_ever(void *argument)
{
	struct writer *writer = argument;

	for (;;)
		change(writer);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct writer writers[FILES];
	pthread_t threads[FILES];
	uint64_t i;

	if (argc != 3)
		return 2;
	folder = argv[1];
	for (i = 0; i < FILES; i++) {
		writers[i] = (struct writer){ .fd = -1, .direct = -1, .map = MAP_FAILED };
		writers[i].state = (strtoull(argv[2], NULL, 10) + 1) * 0x9e3779b97f4a7c15u + i * 0x2545f491u;
		if (posix_memalign((void **)&writers[i].room, BLOCK, ROOM))
			die("memory");
		take_file(&writers[i]);
		open_ring(&writers[i].ring);
	}
	for (i = 0; i < FILES; i++)
		if (pthread_create(&threads[i], NULL, write_for_ever, &writers[i]))
			die("thread");
	puts(writers[0].ring.fd < 0 ? "ready, without io_uring" : "ready");
	fflush(stdout);
	pause();
	return 0;
}

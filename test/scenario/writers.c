// SPDX-License-Identifier: MIT
/*
 * Changes files without a name in every way that Linux has, until it is killed: writers FOLDER SEED
 * Each thread has one file of its own, and now and then takes another. An operation that the file
 * system does not have fails, and the next one is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4
#define LEAST (6u << 20)
#define MOST (12u << 20)
#define BLOCK 4096u
#define ROOM (1u << 20)

static const char *folder;

struct writer {
	uint64_t state; /* of the random numbers: xorshift64 */
	int fd, direct;
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

/* Whether it was written or refused is the same to us: what the file then has is compared. */
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
	case 0 ... 2:
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
	}
	for (i = 0; i < FILES; i++)
		if (pthread_create(&threads[i], NULL, write_for_ever, &writers[i]))
			die("thread");
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

// SPDX-License-Identifier: MIT
/* A sender, and receivers that answer well, badly or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "ghostkeep.h"
#include "tap.h"

#define BLOCK GK_MOVE_BLOCK_BYTES
/* On a busy machine a thread waits for a processor now and then, and nobody is dead. */
#define PATIENCE_MS 800
#define STALL_MS 1200
#define GREETING "ghostkeep-move2\n"

enum type {
	HELLO = 1,
	END = 7,
	COMMIT = 8,
	WELCOME = 65,
	ACK = 66,
	NEED = 67,
	COMMITTED = 68,
	SEAL = 12,
	SEALED = 69,
	FAIL = 70
};

/* The sender writes into a file that nobody reads. */
struct pair {
	int answers[2], said, tables;
	uint64_t sender, receiver;
};

static void answer(struct pair *pair, uint32_t type, const void *payload, uint32_t length)
{
	struct gk_report report;
	uint32_t sequence;

	expect(!gk_link_send(pair->receiver, type, payload, length, &sequence, &report), "answer: %s",
	       report.message);
}

static int begin_pair(struct pair *pair, const struct place *place, const char *greeting)
{
	struct gk_report report;
	int error;

	memset(pair, 0, sizeof(*pair));
	pair->said = ghost_in(place);
	pair->tables = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!expect(pair->tables >= 0 && pipe(pair->answers) == 0, "no pipe"))
		return -errno;
	expect(!gk_link_open(pair->said, pair->answers[1], PATIENCE_MS, &pair->receiver, &report) &&
		       !gk_link_greet(pair->receiver, greeting, NULL, &report),
	       "greet: %s", report.message);
	error = gk_send_open(pair->said, pair->answers[0], PATIENCE_MS, STALL_MS, PATIENCE_MS, &pair->sender,
			     &report);
	if (error)
		return error;
	answer(pair, WELCOME, "{}", 2);
	expect(!gk_send_message(pair->sender, HELLO, "{}", 2, WELCOME, &report), "hello: %s", report.message);
	expect(!gk_send_tables(pair->sender, pair->tables, &report), "tables: %s", report.message);
	return 0;
}

static void end_pair(struct pair *pair)
{
	struct gk_report report;

	if (pair->sender)
		gk_send_close(pair->sender, &report);
	if (pair->receiver)
		gk_link_close(pair->receiver, &report);
	close(pair->answers[0]);
	if (pair->answers[1] >= 0)
		close(pair->answers[1]);
	close(pair->said);
	(void)unlinkat(pair->tables, "1-2-3.table", 0);
	close(pair->tables);
}

static int await(struct pair *pair, char *text, uint32_t *length)
{
	struct gk_report report;

	*length = 100;
	return gk_send_await(pair->sender, text, length, &report);
}

static int send_ghost(struct pair *pair, int ghost, uint64_t size, struct gk_report *report)
{
	return gk_send_ghost(pair->sender, ghost, GK_ENGINE_READ, size, "1-2-3", NULL, report);
}

/* Each ghost that the sender has begun has an end. */
static void expect_whole_stream(const struct pair *pair)
{
	static unsigned char frame[GK_FRAME_HEAD_BYTES + GK_FRAME_PAYLOAD_MAX];
	struct gk_report report;
	unsigned int begun = 0, ended = 0;
	uint64_t link;

	expect(lseek(pair->said, GK_GREETING_BYTES, SEEK_SET) >= 0, "lseek");
	expect(!gk_link_open(pair->said, -1, PATIENCE_MS, &link, &report), "open: %s", report.message);
	while (!gk_link_receive(link, 0, frame, &report)) {
		begun += frame[0] == 2;
		ended += frame[0] == 7;
		expect(begun - ended <= 1, "a ghost begins inside another");
	}
	expect(begun > 0 && begun == ended, "%u ghosts begin, %u end", begun, ended);
	gk_link_close(link, &report);
}

/* Two blocks of data, one of zeroes and a byte; then the same again, when they are acknowledged. */
static void acknowledged_case(const struct place *place)
{
	unsigned char ack[8] = { 10 }, block[BLOCK];
	int ghost = ghost_in(place);
	uint64_t size = 3 * BLOCK + 1;
	struct gk_report report;
	struct pair pair;
	uint32_t length;
	char text[100];

	begin(place->name, "a sender sends again what is not acknowledged, and the rest as the same");
	memset(block, 7, sizeof(block));
	expect(pwrite(ghost, block, BLOCK, 0) == BLOCK && pwrite(ghost, block, BLOCK, BLOCK) == BLOCK &&
		       pwrite(ghost, block, 1, 3 * BLOCK) == 1,
	       "no room");
	if (!expect(!begin_pair(&pair, place, GREETING), "no connection"))
		return;
	expect(!await(&pair, text, &length) && length == 2, "no welcome");
	for (int time = 0; time < 2; time++)
		expect(!send_ghost(&pair, ghost, size, &report) && report.differing_bytes == 2 * BLOCK + 1 &&
			       report.kept_bytes == 0 && report.data_bytes == 2 * BLOCK + 1,
		       "%lu sent, %lu the same, %s", report.differing_bytes, report.kept_bytes,
		       report.message);
	/* hello, then twice: ghost, data, zero, data, end; so 10 is the last number */
	answer(&pair, ACK, ack, sizeof(ack));
	expect(!send_ghost(&pair, ghost, size, &report) && report.differing_bytes == 0 &&
		       report.kept_bytes == 2 * BLOCK + 1,
	       "%lu sent, %lu the same, %s", report.differing_bytes, report.kept_bytes, report.message);
	expect(send_ghost(&pair, ghost, size + BLOCK, &report) == -ESTALE, "a ghost that is shorter");
	expect_whole_stream(&pair);
	end_pair(&pair);
	close(ghost);
}

struct trouble {
	const char *what;
	enum type type;
	unsigned char payload[24];
	uint32_t length;
	int error;
};

static void trouble_case(const struct place *place)
{
	static const struct trouble troubles[] = {
		{ "an acknowledgement of what was not sent", ACK, { 200 }, 8, -EBADMSG },
		{ "an acknowledgement that is cut", ACK, { 1 }, 7, -EBADMSG },
		{ "a need of a ghost that there is not", NEED, { 9, [17] = 64 }, 24, -EBADMSG },
		{ "a need behind the end", NEED, { [9] = 64, [17] = 64 }, 24, -EBADMSG },
		{ "a need inside a block", NEED, { [8] = 1, [17] = 64 }, 24, -EBADMSG },
		{ "a need of nothing", NEED, { 0 }, 24, -EBADMSG },
		{ "a need that never ends", NEED, { [22] = 255 }, 24, -EBADMSG },
		{ "an answer that nobody waits for", WELCOME, "{}", 2, -EBADMSG },
		{ "a frame of no known type", (enum type)99, { 0 }, 4, -EBADMSG },
		{ "a failure", FAIL, "{\"code\":1}", 10, -ECONNREFUSED },
	};

	for (size_t i = 0; i < sizeof(troubles) / sizeof(*troubles); i++) {
		const struct trouble *trouble = &troubles[i];
		int ghost = ghost_in(place);
		struct gk_report report;
		struct pair pair;
		uint32_t length;
		char text[100];

		begin(place->name, "a sender and %s", trouble->what);
		expect(!ftruncate(ghost, BLOCK), "no room");
		if (!expect(!begin_pair(&pair, place, GREETING), "no connection"))
			return;
		expect(!await(&pair, text, &length), "no welcome");
		expect(!send_ghost(&pair, ghost, BLOCK, &report), "send: %s", report.message);
		expect(!gk_send_message(pair.sender, COMMIT, "{}", 2, COMMITTED, &report), "commit: %s",
		       report.message);
		answer(&pair, trouble->type, trouble->payload, trouble->length);
		expect(await(&pair, text, &length) == trouble->error, "another error");
		length = 100;
		if (trouble->type == FAIL)
			expect(!gk_send_failure(pair.sender, text, &length, &report) && length == 10 &&
				       !memcmp(text, trouble->payload, 10),
			       "no reason");
		end_pair(&pair);
		close(ghost);
	}
}

static void silence_case(const struct place *place)
{
	struct gk_report report;
	struct pair pair;
	uint32_t length;
	char text[100];

	begin(place->name, "a sender whose receiver is silent, gone or something else");
	expect(!begin_pair(&pair, place, GREETING), "no connection");
	expect(!await(&pair, text, &length), "no welcome");
	expect(!gk_send_message(pair.sender, COMMIT, "{}", 2, COMMITTED, &report), "commit: %s",
	       report.message);
	expect(await(&pair, text, &length) == -ETIMEDOUT, "silence");
	close(pair.answers[1]);
	pair.answers[1] = -1;
	expect(await(&pair, text, &length) == -EPIPE, "an end");
	end_pair(&pair);
	expect(begin_pair(&pair, place, "Welcome to host!") == -EPROTO, "a shell");
	pair.sender = 0;
	end_pair(&pair);
}

static void stall_case(const struct place *place)
{
	struct gk_report report;
	struct pair pair;
	uint32_t length;
	char text[100];

	begin(place->name, "a sender whose receiver is alive and acknowledges nothing");
	expect(!begin_pair(&pair, place, GREETING), "no connection");
	expect(!await(&pair, text, &length), "no welcome");
	expect(!gk_link_beat(pair.receiver, PATIENCE_MS / 16, &report), "beat: %s", report.message);
	expect(!gk_send_message(pair.sender, COMMIT, "{}", 2, COMMITTED, &report), "commit: %s",
	       report.message);
	expect(await(&pair, text, &length) == -ETIMEDOUT, "it waits for ever");
	end_pair(&pair);
}

/* The seal has a time of its own: longer than that of other steps, and bounded. */
static void seal_case(const struct place *place)
{
	struct timespec from, to;
	struct gk_report report;
	struct pair pair;
	uint32_t length;
	char text[100];
	int64_t ms;

	begin(place->name, "a sender whose receiver is alive and never seals");
	expect(!begin_pair(&pair, place, GREETING), "no connection");
	expect(!await(&pair, text, &length), "no welcome");
	expect(!gk_link_beat(pair.receiver, PATIENCE_MS / 16, &report), "beat: %s", report.message);
	expect(!gk_send_patiently(pair.sender, 3 * STALL_MS, &report), "patience: %s", report.message);
	expect(!gk_send_message(pair.sender, SEAL, "{}", 2, SEALED, &report), "seal: %s", report.message);
	clock_gettime(CLOCK_MONOTONIC, &from);
	expect(await(&pair, text, &length) == -ETIMEDOUT, "it waits for ever");
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	expect(ms >= 2 * STALL_MS, "it waits %ld ms", (long)ms);
	end_pair(&pair);
}

/* A sender refuses a commit of blocks that nobody has acknowledged. */
static void early_case(const struct place *place)
{
	int ghost = ghost_in(place);
	struct gk_report report;
	struct pair pair;
	uint32_t length;
	char text[100];

	begin(place->name, "a sender whose receiver says too early that all is there");
	expect(pwrite(ghost, "x", 1, 0) == 1, "no room");
	expect(!begin_pair(&pair, place, GREETING), "no connection");
	expect(!await(&pair, text, &length), "no welcome");
	expect(!send_ghost(&pair, ghost, 1, &report), "send: %s", report.message);
	expect(!gk_send_message(pair.sender, COMMIT, "{}", 2, COMMITTED, &report), "commit: %s",
	       report.message);
	answer(&pair, COMMITTED, "{}", 2);
	expect(await(&pair, text, &length) == -EBADMSG, "it is believed");
	end_pair(&pair);
	close(ghost);
}

void sending_cases(const struct place *place)
{
	acknowledged_case(place);
	trouble_case(place);
	silence_case(place);
	stall_case(place);
	seal_case(place);
	early_case(place);
}

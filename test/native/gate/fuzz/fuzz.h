/* SPDX-License-Identifier: MIT */
/*
 * The test gives the gate a hostile helper, which says lines of the protocol, lines that nearly are, and
 * random bytes. It compares what the gate does with what model.c says. model.c implements PROTOCOL.md a
 * second time and shares no code with the gate.
 */
#ifndef GATE_FUZZ_H
#define GATE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUESTS_MAX 3 /* after `ready` */
#define PART_BYTES_MAX (24 << 10)

/* A part of the script: what the helper says after one request. */
struct part {
	char bytes[PART_BYTES_MAX];
	size_t length;
	bool brings_keys;
};

struct script {
	struct part parts[1 + REQUESTS_MAX]; /* the first comes before any request: `ready` */
	unsigned int requests;
	bool hangs_up;			  /* at its end; otherwise it says nothing more */
	unsigned int keys_before_refusal; /* CRIU takes this many */
};

/* The part of a dialogue that can be seen from outside. */
struct outcome {
	int answers[1 + REQUESTS_MAX];
	unsigned int answered; /* entries in answers */
	unsigned int keys;     /* that CRIU was given, refused ones included */
	uint64_t keys_hash;
	unsigned int lookups;
};

/* Every function below takes its input from this seed alone. */
void random_start(uint64_t seed);
uint64_t pick(uint64_t below);

void make_script(struct script *script);
void expect_outcome(const struct script *script, struct outcome *outcome);

/* The reference for key.c; the two have no line in common. */
bool is_file_key(const char *text);
bool is_mount_key(const char *text);

/* The wire hands the script's bytes to the gate, and records what the gate does with them. */
void wire_start(const struct script *script, struct outcome *outcome);
/* The fuzzer is about to send a request, and the part of the script for that request follows. */
void wire_request(const char *request);

void add_key(struct outcome *outcome, const char *key);

/* Print the seed, the input and the reason, and end with status 1. */
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *fmt, ...);

#endif

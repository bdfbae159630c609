// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/io.h"
#include "base/page-tag.h"

#define WORDS (TAGGED_BYTES / sizeof(uint64_t))
#define HASHES 4
#define SHIFT (TAG_BYTES / sizeof(uint64_t)) /* words of the key between two hashes */

/* Each word is two numbers of 32 bits. The key is added to each, and their product to the sum. */
static void tag_plain(const struct tag_key *key, const unsigned char *page, unsigned char *tag)
{
	uint64_t sums[HASHES] = { 0 };

	for (unsigned int i = 0; i < WORDS; i++) {
		uint64_t word;

		memcpy(&word, page + i * sizeof(word), sizeof(word));
		for (unsigned int hash = 0; hash < HASHES; hash++) {
			uint64_t secret = key->words[i + hash * SHIFT];

			sums[hash] += (uint64_t)(uint32_t)(word + secret) *
				      (uint32_t)((word >> 32) + (secret >> 32));
		}
	}
	memcpy(tag, sums, TAG_BYTES);
}

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2")))

WITH_AVX2 static __m256i add_products(__m256i sum, __m256i words, __m256i secret)
{
	__m256i both = _mm256_add_epi32(words, secret);

	return _mm256_add_epi64(sum, _mm256_mul_epu32(both, _mm256_srli_epi64(both, 32)));
}

WITH_AVX2 static uint64_t sum_of(__m256i lanes)
{
	uint64_t each[4];

	_mm256_storeu_si256((__m256i_u *)each, lanes);
	return each[0] + each[1] + each[2] + each[3];
}

/* The same, four words at once. The key of one hash is that of the next, one vector later. */
WITH_AVX2 static void tag_avx2(const struct tag_key *key, const unsigned char *page, unsigned char *tag)
{
	const __m256i_u *secret = (const __m256i_u *)key->words, *words = (const __m256i_u *)page;
	__m256i first = _mm256_loadu_si256(secret), second = _mm256_loadu_si256(secret + 1);
	__m256i third = _mm256_loadu_si256(secret + 2), sums[HASHES];
	uint64_t sum;

	for (unsigned int hash = 0; hash < HASHES; hash++)
		sums[hash] = _mm256_setzero_si256();
	for (unsigned int i = 0; i < WORDS / 4; i++) {
		__m256i some = _mm256_loadu_si256(words + i), fourth = _mm256_loadu_si256(secret + i + 3);

		sums[0] = add_products(sums[0], some, first);
		sums[1] = add_products(sums[1], some, second);
		sums[2] = add_products(sums[2], some, third);
		sums[3] = add_products(sums[3], some, fourth);
		first = second;
		second = third;
		third = fourth;
	}
	for (unsigned int hash = 0; hash < HASHES; hash++) {
		sum = sum_of(sums[hash]);
		memcpy(tag + hash * sizeof(sum), &sum, sizeof(sum));
	}
}

static void page_tag(const struct tag_key *key, const unsigned char *page, unsigned char *tag)
{
	if (__builtin_cpu_supports("avx2"))
		tag_avx2(key, page, tag);
	else
		tag_plain(key, page, tag);
}
#else
static void page_tag(const struct tag_key *key, const unsigned char *page, unsigned char *tag)
{
	tag_plain(key, page, tag);
}
#endif

void page_tags(const struct tag_key *key, const unsigned char *bytes, uint64_t length, unsigned char *tags)
{
	unsigned char last[TAGGED_BYTES];
	uint64_t at = 0;

	for (; length - at >= TAGGED_BYTES; at += TAGGED_BYTES, tags += TAG_BYTES)
		page_tag(key, bytes + at, tags);
	if (at == length)
		return;
	memset(last, 0, sizeof(last));
	memcpy(last, bytes + at, length - at);
	page_tag(key, last, tags);
}

static int make_key(int folder, const char *name, struct tag_key *key)
{
	struct iovec piece = { key, sizeof(*key) };
	size_t done = 0;
	int fd, error;

	while (done < sizeof(*key)) {
		ssize_t got = getrandom((char *)key + done, sizeof(*key) - done, 0);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			done += (size_t)got;
	}
	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = writev_full(fd, &piece, 1, 0);
	close(fd);
	return error;
}

int tag_key_open(int folder, const char *name, struct tag_key *key)
{
	unsigned char more;
	int64_t got, rest;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return make_key(folder, name, key);
	if (fd < 0)
		return -errno;
	got = read_full(fd, key, sizeof(*key), 0);
	rest = read_full(fd, &more, 1, sizeof(*key));
	close(fd);
	if (got < 0 || rest < 0)
		return (int)(got < 0 ? got : rest);
	return got == (int64_t)sizeof(*key) && rest == 0 ? 0 : make_key(folder, name, key);
}

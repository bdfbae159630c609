/* SPDX-License-Identifier: MIT */
/*
 * Tells whether a page of 4 KiB has changed, several times as fast as BLAKE3 does. A tag is the hash NH of
 * the page under a secret key, four times 64 bits (J. Black et al., UMAC, 1999; RFC 4418 uses it, too). For
 * any two different pages, the tags are equal with a probability of 2^-128, as long as the pages were
 * chosen without knowledge of the key. So a key never leaves the host, and no tag goes to another host.
 */
#ifndef GK_PAGE_TAG_H
#define GK_PAGE_TAG_H

#include <stdint.h>

#define TAG_BYTES 32
#define TAGGED_BYTES 4096

/* Each of the four hashes uses the key from another vector of TAG_BYTES on. */
struct tag_key {
	uint64_t words[(TAGGED_BYTES + 3 * TAG_BYTES) / sizeof(uint64_t)];
};

/*
 * Read the key from a file of a folder, or make a new one. A file of another length is replaced, and tags
 * that were made with its key then match nothing. Returns 0 or a negative errno.
 */
int tag_key_open(int folder, const char *name, struct tag_key *key);

/* Compute the tags of all pages of a range. A shorter last page counts as filled up with zeroes. */
void page_tags(const struct tag_key *key, const unsigned char *bytes, uint64_t length, unsigned char *tags);

#endif

// SPDX-License-Identifier: MIT
#include <string.h>

#include "key.h"

#define MNT_ID_DIGITS 8
#define INO_DIGITS 16

/* The length of the number at text, 0 if it is not one. */
static size_t hex_number(const char *text, size_t digits_max)
{
	size_t digits = strspn(text, "0123456789abcdef");

	if (digits > digits_max || (digits > 1 && text[0] == '0'))
		return 0;
	return digits;
}

bool key_is_valid(const char *key)
{
	size_t digits;

	if (strncmp(key, "file[", 5))
		return false;
	key += 5;
	digits = hex_number(key, MNT_ID_DIGITS);
	if (!digits || key[digits] != ':')
		return false;
	key += digits + 1;
	digits = hex_number(key, INO_DIGITS);
	return digits && !strcmp(key + digits, "]");
}

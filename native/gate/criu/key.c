// SPDX-License-Identifier: MIT
#include <string.h>

#include "criu/key.h"

#define MNT_ID_DIGITS 8
#define INO_DIGITS 16
#define MOUNT_KEY_BYTES_MAX 4000

/* Returns the length of the number at text, or 0 if it is not one. */
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

bool mount_key_is_valid(const char *key)
{
	size_t length = strlen(key);

	return length <= MOUNT_KEY_BYTES_MAX && !strncmp(key, "mnt[", 4) && key[length - 1] == ']' &&
	       !has_controls(key);
}

bool has_controls(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

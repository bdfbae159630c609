// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "criu/key.h"

static const char *const valid[] = {
	"file[0:0]",   "file[1:2]", "file[3a:1f00000000000001]", "file[ffffffff:ffffffffffffffff]",
	"file[10:a0]",
};

static const char *const invalid[] = {
	"",
	"file",
	"file[",
	"file[]",
	"file[:]",
	"file[1:]",
	"file[:1]",
	"file[1:2",
	"file[1:2]x",
	"file[1:2] ",
	" file[1:2]",
	"file[1:2]]",
	"file[A:1]",
	"file[1:F]",
	"file[0x1:2]",
	"file[01:2]",
	"file[1:02]",
	"file[100000000:1]",
	"file[1:10000000000000000]",
	"file[1:2:3]",
	"file[-1:2]",
	"file[ 1:2]",
	"mnt[1:2]",
	"net[4026531840]:x",
	"FILE[1:2]",
	"file[1;2]",
};

static const char *const valid_mounts[] = {
	"mnt[]", "mnt[a]", "mnt[/a b]", "mnt[a]b]", "mnt[\303\244]",
};

static const char *const invalid_mounts[] = {
	"",	   "mnt",    "mnt[",	  "mnt]",     "mnt[a",	   "mnt[a]x",	" mnt[a]",
	"mnt [a]", "MNT[a]", "file[1:2]", "mnt[a\n]", "mnt[\x7f]", "mnt[\x01]",
};

/* mnt[kkk…] of this many bytes */
static int mount_key_may_have(size_t length)
{
	static char key[5000];

	memset(key, 'k', length);
	memcpy(key, "mnt[", 4);
	key[length - 1] = ']';
	key[length] = '\0';
	return mount_key_is_valid(key);
}

int main(void)
{
	int wrong = 0;
	size_t i;

	for (i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		if (!key_is_valid(valid[i]))
			wrong++, printf("FAIL key: \"%s\" is valid\n", valid[i]);
	for (i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		if (key_is_valid(invalid[i]))
			wrong++, printf("FAIL key: \"%s\" is not valid\n", invalid[i]);
	for (i = 0; i < sizeof(valid_mounts) / sizeof(valid_mounts[0]); i++)
		if (!mount_key_is_valid(valid_mounts[i]))
			wrong++, printf("FAIL key: \"%s\" is valid\n", valid_mounts[i]);
	for (i = 0; i < sizeof(invalid_mounts) / sizeof(invalid_mounts[0]); i++)
		if (mount_key_is_valid(invalid_mounts[i]))
			wrong++, printf("FAIL key: \"%s\" is not valid\n", invalid_mounts[i]);
	if (!mount_key_may_have(4000) || mount_key_may_have(4001))
		wrong++, printf("FAIL key: the longest has not 4000 bytes\n");
	if (!wrong)
		printf("ok   keys\n");
	return wrong != 0;
}

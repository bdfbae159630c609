// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "key.h"

static const char *const valid[] = {
	"file[0:0]", "file[1:2]", "file[3a:1f00000000000001]",
	"file[ffffffff:ffffffffffffffff]", "file[10:a0]",
};

static const char *const invalid[] = {
	"", "file", "file[", "file[]", "file[:]", "file[1:]", "file[:1]",
	"file[1:2", "file[1:2]x", "file[1:2] ", " file[1:2]", "file[1:2]]",
	"file[A:1]", "file[1:F]", "file[0x1:2]", "file[01:2]", "file[1:02]",
	"file[100000000:1]", "file[1:10000000000000000]", "file[1:2:3]",
	"file[-1:2]", "file[ 1:2]", "mnt[1:2]", "net[4026531840]:x",
	"FILE[1:2]", "file[1;2]",
};

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
	if (!wrong)
		printf("ok   keys\n");
	return wrong != 0;
}

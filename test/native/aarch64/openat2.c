// SPDX-License-Identifier: MIT
/* Whether this machine, which may be emulated, knows openat2(2): exit status 0 if so. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct open_how how = { .flags = O_PATH, .resolve = RESOLVE_IN_ROOT };
	int root = open("/proc", O_PATH);

	return root < 0 || syscall(SYS_openat2, root, "../self/stat", &how, sizeof(how)) < 0;
}

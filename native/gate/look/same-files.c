// SPDX-License-Identifier: MIT
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "look/same-files.h"

bool has_same_files(int pid, int tid)
{
	return !syscall(SYS_kcmp, pid, tid, KCMP_FILES, 0UL, 0UL);
}

/* SPDX-License-Identifier: MIT */
/* The gate's part in a restore of an image that is ours. */
#ifndef GATE_RESTORE_H
#define GATE_RESTORE_H

/* init(RESTORE): the helper checks the image before CRIU reads it. Returns 0 or -1. */
int restore_begin(void);

/*
 * Hook 9: all processes are restored and still stopped, and pid is one of them. It cannot make the
 * restore fail.
 */
int restore_resumed(int pid);

/* exit(RESTORE, ret): this does something only when the restore did not come to hook 9. */
void restore_end(int ret);

#endif

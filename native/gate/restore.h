/* SPDX-License-Identifier: MIT */
/* The gate's part in a restore: only in that of an image that is ours. */
#ifndef GATE_RESTORE_H
#define GATE_RESTORE_H

/* init(RESTORE): the helper checks the image before CRIU reads it. 0 or -1. */
int restore_begin(void);

/* Hook 9: all are restored and still stopped, pid is one. Fails nothing. */
int restore_resumed(int pid);

/* exit(RESTORE, ret), for a restore that did not come to hook 9. */
void restore_end(int ret);

#endif

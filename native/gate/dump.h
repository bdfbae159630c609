/* SPDX-License-Identifier: MIT */
/* The gate's part in a dump. */
#ifndef GATE_DUMP_H
#define GATE_DUMP_H

/* init(DUMP): start the helper while the container runs. 0 or -1. */
int dump_begin(void);

/* Hook 11: pid is frozen. Give the keys of its ghosts to CRIU. */
int dump_checkpoint(int pid);

/* exit(DUMP, ret): seal, or clean up. */
void dump_end(int ret);

#endif

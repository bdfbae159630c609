/* SPDX-License-Identifier: MIT */
/*
 * The part of libghostkeep that saves room among many checkpoints of one container. It works on the
 * images of sealed directories only, never while anything is frozen. ghostkeep.h has the rules for
 * all functions.
 */
#ifndef GHOSTKEEP_LAYER_H
#define GHOSTKEEP_LAYER_H

#include <stdint.h>

struct gk_progress;
struct gk_report;

/*
 * Let two ghost images share the blocks that hold the same bytes of a ghost at the same offset:
 * ioctl_fideduperange(2), in which the kernel compares again. The content of neither image changes.
 * Only whole blocks of chunks that lie alike in both images can be shared, which those of 64 KiB and
 * more do. -EOPNOTSUPP where the file system shares no blocks, or the images lie on two.
 * report: size (of the ghost in to_fd), data_bytes (shared by this call), kept_bytes (shared before).
 */
int gk_share(int from_fd, int to_fd, struct gk_progress *progress, struct gk_report *report);

#endif

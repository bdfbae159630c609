/* SPDX-License-Identifier: MIT */
/* How far a call has come: another thread reads this, and can stop the call. progress may be NULL. */
#ifndef GK_PROGRESS_H
#define GK_PROGRESS_H

#include <stdbool.h>

#include "ghostkeep.h"

static inline void progress_add(struct gk_progress *progress, uint64_t bytes)
{
	if (progress)
		__atomic_fetch_add(&progress->done_bytes, bytes, __ATOMIC_RELAXED);
}

static inline bool cancelled(struct gk_progress *progress)
{
	return progress && __atomic_load_n(&progress->cancel, __ATOMIC_RELAXED);
}

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GATE_START_H
#define GATE_START_H

#include "helper/helper.h"

/* Start the helper and wait until it is ready: 0, or -1 when all is said. */
int start_helper(struct helper *helper, const char *mode, int image_dir);

/* Where this plugin was loaded from: what to remove to do without it. */
const char *plugin_path(void);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef GATE_START_H
#define GATE_START_H

#include "helper/helper.h"

/* Start the helper and wait until it is ready. Returns 0, or -1 when the reason has been logged. */
int start_helper(struct helper *helper, const char *mode, int image_dir);

/* The path that this plugin was loaded from. A user removes that file to do without the plugin. */
const char *plugin_path(void);

#endif

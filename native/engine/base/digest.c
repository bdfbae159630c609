// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/io.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/report.h"

GK_PUBLIC int gk_digest(int fd, struct gk_progress *progress, struct gk_report *report)
{
	AUTO_FREE unsigned char *window = window_alloc(WINDOW_BYTES);
	struct crc32c crc;
	int64_t got;

	memset(report, 0, sizeof(*report));
	if (!window)
		return fail(report, -ENOMEM, 0, "cannot digest a file");
	crc32c_start(&crc, true);
	do {
		uint64_t at = report->image_bytes;

		if (cancelled(progress))
			return fail(report, -ECANCELED, at, "stopped at offset %llu of the file",
				    (unsigned long long)at);
		got = read_full(fd, window, WINDOW_BYTES, at);
		if (got < 0)
			return fail(report, (int)got, at, "cannot read the file at offset %llu",
				    (unsigned long long)at);
		crc32c_add(&crc, window, (uint64_t)got);
		report->image_bytes += (uint64_t)got;
		progress_add(progress, (uint64_t)got);
	} while ((uint64_t)got == WINDOW_BYTES);
	report->crc32c = crc32c_end(&crc);
	return 0;
}

GK_PUBLIC uint32_t gk_crc32c(uint32_t crc32c, const void *bytes, uint64_t length)
{
	struct crc32c crc;

	crc32c_start(&crc, true);
	crc.state = ~crc32c;
	crc32c_add(&crc, bytes, length);
	return crc32c_end(&crc);
}

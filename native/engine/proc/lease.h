/* SPDX-License-Identifier: MIT */
#ifndef GK_LEASE_H
#define GK_LEASE_H

/*
 * Would opening the file behind link, a path below /proc, break its holder's lease? Returns 1, 0 or
 * a negative errno. Only a descriptor (/proc/PID/fd/N) shows its lease; for any other link it is 0.
 */
int breaks_lease(const char *link);

#endif

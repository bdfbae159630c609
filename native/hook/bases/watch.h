/* SPDX-License-Identifier: MIT */
#ifndef GHOSTKEEP_BASES_WATCH_H
#define GHOSTKEEP_BASES_WATCH_H

/*
 * The work of `ghostkeep-hook watch-bases IMAGES MARK LEAST STARTER [START]`. STARTER is the pid of the
 * process that has started us, or 0. Where an earlier watcher was killed, STARTER is the process that had
 * started the first one, and START is that process's start time. Returns the exit status.
 */
int watch_bases(int argc, char **argv);

#endif

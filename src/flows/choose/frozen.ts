/** A dump without CRIU is a copy of one moment only if all its processes are frozen. */

import { GhostkeepError } from '../../base/errors.js';
import { showSome } from '../../base/text/show-some.js';
import { findWriters, type Writer } from '../../ghost/find/writers.js';
import { type Ghost, showGhost } from '../../ghost/ghost.js';
import { startTimeOf } from '../container/sessions.js';
import type { Context } from '../context.js';

const wayOut =
  '`ghostkeep dump --freeze` freezes the processes that it dumps; freeze any other by SIGSTOP or the freezer of its cgroup';

/**
 * Called before the search: a process that runs may open, close and hand on files behind our back while we
 * search.
 */
export function assertFrozen({ host: { processes } }: Context, pids: readonly number[]): void {
  const running = pids.filter(pid => !processes.isPaused(pid));
  if (running.length === 0) return;
  const subject = `process ${running[0]}`;
  throw new GhostkeepError(
    'NOT_FROZEN',
    subject,
    `cannot dump process ${showSome(running)}: it runs, or one of its threads does, and --require-frozen is given; ${wayOut}`,
  );
}

/**
 * Called when all is copied: whoever had frozen the processes may have let them go on meanwhile. Another
 * `dump --freeze` of the same processes does that if it ends first. A process that has ended changes nothing
 * any more.
 */
export function assertStillFrozen({ host: { processes } }: Context, pids: readonly number[]): void {
  const running = pids.filter(pid => !processes.isPaused(pid) && startTimeOf(processes, pid) !== undefined);
  if (running.length === 0) return;
  throw new GhostkeepError(
    'NOT_FROZEN',
    `process ${running[0]}`,
    `cannot dump process ${showSome(running)}: somebody let it go on before all was copied, perhaps another \`ghostkeep dump --freeze\` that ended; try again`,
  );
}

/** @param copied the ghosts whose content is about to be copied */
export function checkWriters(
  { host: { processes }, log, alive }: Context,
  copied: readonly Ghost[],
  pids: readonly number[],
  requireFrozen: boolean,
): void {
  for (const writer of findWriters(processes, copied, pids, alive)) {
    const message = describeWriter(writer);
    if (requireFrozen)
      throw new GhostkeepError('NOT_FROZEN', `process ${writer.pid}`, `cannot dump: ${message}; ${wayOut}`);
    log.warn(`${message}: the copy may be torn; ${wayOut}`, { pid: writer.pid });
  }
}

function describeWriter({ pid, ghosts }: Writer): string {
  return `process ${pid} runs and can change ${showSome(ghosts.map(showGhost))} through a shared mapping, which nothing shows while it is copied`;
}

import type { Scan } from '../base/documents/generated/scan.js';
import { errnoOf, GhostkeepError, translate } from '../base/errors.js';
import type { ProcessView } from '../base/host.js';
import { findGhosts } from '../ghost/find.js';
import { toRecord } from '../ghost/ghost.js';
import type { Context } from './context.js';
import { type Selection, selectPids } from './select.js';

/**
 * Who holds what, in bytes. Reads only; needs neither CRIU nor root, but sees only what it may.
 * @throws NOT_FOUND, and PERMISSION where a process that was named shows nothing
 */
export function scan({ host: { processes } }: Context, selection: Selection): Scan {
  for (const pid of selection.pids ?? []) assertReadable(processes, pid);
  const { ghosts, unseen } = findGhosts(processes, selectPids(processes, selection));
  return { ghosts: ghosts.map(ghost => ({ ...toRecord(ghost), keep: ghost.keep, why: ghost.why })), unseen };
}

/** Among many some end and some are others'. Of one that was named, "no ghosts" must mean that it has none. */
function assertReadable(processes: ProcessView, pid: number): void {
  const what = `process ${pid}`;
  try {
    processes.fds(pid);
  } catch (cause) {
    const { code, message } = translate(cause, 'IO', what, `cannot look at ${what}`);
    if (['ENOENT', 'ESRCH'].includes(errnoOf(cause) ?? ''))
      throw new GhostkeepError('NOT_FOUND', what, `cannot look at ${what}: there is none`, { cause });
    const wayOut = code === 'PERMISSION' ? '; root is needed for it' : '';
    throw new GhostkeepError(code, what, `${message}${wayOut}`, { cause });
  }
}

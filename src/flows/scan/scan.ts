import type { Scan, ScanTotal } from '../../base/documents/generated/scan.js';
import { countToJson } from '../../base/units.js';
import { lookInside } from '../../ghost/find/inside.js';
import { type Ghost, toRecord } from '../../ghost/ghost.js';
import type { Context } from '../context.js';
import { searchGhosts } from '../steps.js';
import { annotate } from './annotate.js';
import { arrange, type View } from './arrange.js';
import { assertNamedWereSeen } from './named.js';
import { type Selection, selectPids } from './select.js';

/**
 * Finds which processes hold which ghosts, and their sizes in bytes. It only reads and needs neither CRIU nor
 * root, but it sees only processes that it may look at.
 * @throws NOT_FOUND; PERMISSION if a process that was named may not be looked at
 */
export function scan(context: Context, selection: Selection, view: View = {}): Scan {
  const { host } = context;
  const { processes } = host;
  const found = searchGhosts(context, selectPids(host, selection));
  const { unseen } = found;
  assertNamedWereSeen(unseen, selection.pids ?? []);
  const { shown, counted, others } = arrange(found.ghosts.map(asCheckpointKeeps), view);
  const hidden = selection.pids || selection.tree !== undefined ? undefined : processes.hidesProcesses();
  return {
    ghosts: shown.map(ghost => ({ ...toRecord(ghost), keep: ghost.keep, why: ghost.why })),
    unseen: [...unseen.map(({ pid, what, why }) => ({ pid, what, why })), ...lookInside(processes, found)],
    ...annotate(host, counted),
    ...(others.length === 0 ? {} : { filtered: totalOf(others) }),
    ...(hidden === undefined ? {} : { hidden }),
  };
}

/** Says of a ghost that could not be restored that nobody keeps it, because a checkpoint is refused then. */
function asCheckpointKeeps(ghost: Ghost): Ghost {
  const { unrestorable } = ghost;
  return unrestorable === undefined ? ghost : { ...ghost, keep: 'no', why: unrestorable };
}

function totalOf(ghosts: readonly Ghost[]): ScanTotal {
  const allocated = ghosts.reduce((sum, { stat }) => sum + stat.allocated, 0n);
  return { ghosts: ghosts.length, allocated: countToJson(allocated) };
}

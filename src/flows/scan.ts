import type { Scan } from '../base/documents/generated/scan.js';
import { findGhosts } from '../ghost/find.js';
import { toRecord } from '../ghost/ghost.js';
import type { Context } from './context.js';
import { type Selection, selectPids } from './select.js';

/** Who holds what, in bytes. Reads only; needs neither CRIU nor root, but sees only what it may. */
export function scan({ host: { processes } }: Context, selection: Selection): Scan {
  const { ghosts, unseen } = findGhosts(processes, selectPids(processes, selection));
  return { ghosts: ghosts.map(ghost => ({ ...toRecord(ghost), keep: ghost.keep, why: ghost.why })), unseen };
}

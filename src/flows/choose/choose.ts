/** Decides which of the found ghosts are ours to keep, and what fails a dump. */

import { GhostkeepError } from '../../base/errors.js';
import { hasContent, isRegular } from '../../base/host/file-type.js';
import type { Log } from '../../base/log.js';
import { showBytes } from '../../base/units.js';
import { whyNotCopied } from '../../ghost/find/alone.js';
import type { Found } from '../../ghost/find/find.js';
import { lookInside } from '../../ghost/find/inside.js';
import type { UnseenInSearch } from '../../ghost/find/unseen.js';
import { type Ghost, showGhost, showIdentity } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import type { Context } from '../context.js';
import { type LeftOut, leaveGhost, leaveUnseen, wayOut } from './left-out.js';

export interface Choice {
  chosen: Ghost[];
  /** Content that nobody keeps. Always empty for a dump with CRIU. */
  leftOut: LeftOut[];
}

export interface ChoiceOf {
  policy: Policy;
  /** True if CRIU dumps the processes. Then it keeps the ghosts that are left to it. */
  criu: boolean;
}

/**
 * Chooses the ghosts that ghostkeep keeps. A ghost over the policy's limit fails the dump. A ghost that
 * nobody can keep fails a dump with CRIU, and is left out of a dump without CRIU.
 */
export function chooseGhosts(
  { log, host, alive }: Context,
  found: Found,
  { policy, criu }: ChoiceOf,
): Choice {
  const leftOut: LeftOut[] = [];
  for (const one of found.unseen) {
    const subject = `process ${one.pid}`;
    const what = one.what === 'process' ? '' : `${one.what} of `;
    const message = `cannot look at ${what}${subject}: ${one.why}`;
    // CRIU searches the processes itself, and keeps or refuses a ghost that we have not seen. A ghost in a
    // place that CRIU does not search would be lost.
    const mayBeLost = policy.enabled && one.mayHide && !(criu && looksItself(found, one));
    if (mayBeLost && (criu || !policy.allowMissing))
      throw new GhostkeepError('GHOST_UNREADABLE', subject, criu ? message : `${message}; ${wayOut}`);
    if (mayBeLost) leftOut.push(leaveUnseen(one));
    else log.warn(message, { pid: one.pid });
  }
  if (!policy.enabled) return { chosen: [], leftOut };
  const chosen: Ghost[] = [];
  for (const ghost of found.ghosts) {
    if (criu) {
      assertCanBeKept(found, ghost);
      assertCanBeRestored(log, ghost);
    }
    const whyNot = criu ? whyLeftToCriu(ghost) : whyNotCopied(ghost, found.servesFuse, host.processes);
    if (whyNot !== undefined) {
      if (!criu && hasContent(ghost.stat.mode)) leftOut.push(leaveGhost(ghost, whyNot));
      else {
        const what = criu ? 'left to CRIU' : 'not copied';
        log.info(`${showGhost(ghost)} is ${what}: ${whyNot}`, { ghost: showIdentity(ghost.stat) });
      }
      continue;
    }
    assertBelowLimit(ghost, policy);
    chosen.push(ghost);
  }
  const unseen = criu ? [] : [...found.memory, ...lookInside(host.processes, found, alive)];
  return { chosen, leftOut: [...leftOut, ...unseen.map(leaveUnseen)] };
}

/** A linked ghost whose names stay needs no copy: files.img only gets another of its names. */
export function needsCopy(ghost: Ghost): boolean {
  return ghost.class !== 'linked' || !ghost.namesStay;
}

const whyLeftToCriu = ({ keep, why }: Ghost) => (keep === 'criu' ? why : undefined);

/**
 * Does CRIU search the place that we could not look at? It does not search the descriptors of threads that
 * have a table of their own.
 */
function looksItself(found: Found, { pid, what }: UnseenInSearch): boolean {
  return what !== 'task' && !found.apart.has(pid);
}

/**
 * Refuses a ghost that nobody can keep, and a ghost that only threads with a table of descriptors of their
 * own hold. CRIU assumes that all threads of a process share their descriptors, and reports nothing if they
 * do not.
 */
function assertCanBeKept(found: Found, ghost: Ghost): void {
  const identity = showIdentity(ghost.stat);
  if (ghost.keep === 'no')
    throw new GhostkeepError('GHOST_UNREADABLE', identity, `cannot dump ${showGhost(ghost)}: ${ghost.why}`);
  if (!isRegular(ghost.stat.mode) || !ghost.holders.every(({ pid }) => found.apart.has(pid))) return;
  const threads = [...new Set(ghost.holders.map(({ pid }) => pid))].join(', ');
  throw new GhostkeepError(
    'GHOST_UNREADABLE',
    identity,
    `cannot dump ${showGhost(ghost)}: only thread ${threads} holds it, in a table of descriptors of its own (unshare(CLONE_FILES), or the main thread has ended), and CRIU does not keep such tables; \`ghostkeep dump\` does`,
  );
}

/**
 * Refuses a ghost that CRIU could dump but not restore: CRIU itself would fail only at restore, when the
 * container is gone. A dump without CRIU is not checked, because its files are restored to any folder.
 */
function assertCanBeRestored(log: Log, ghost: Ghost): void {
  const { unrestorable, doubt } = ghost;
  if (doubt !== undefined) log.warn(`${showGhost(ghost)} may be lost at restore: ${doubt}`);
  if (unrestorable === undefined) return;
  throw new GhostkeepError(
    'GHOST_UNRESTORABLE',
    showIdentity(ghost.stat),
    `cannot dump ${showGhost(ghost)}: ${unrestorable}; the container runs on, and \`ghostkeep dump\` has the file's content`,
  );
}

export function isOverLimit({ stat }: Ghost, { limit }: Policy): boolean {
  return limit !== undefined && stat.allocated > limit;
}

function assertBelowLimit(ghost: Ghost, policy: Policy): void {
  if (!isOverLimit(ghost, policy)) return;
  const { allocated } = ghost.stat;
  const { limit = 0n } = policy;
  throw new GhostkeepError(
    'GHOST_OVER_LIMIT',
    showIdentity(ghost.stat),
    `cannot dump ${showGhost(ghost)}: it has ${showBytes(allocated)} allocated and the policy's limit is ${showBytes(limit)}; raise \`limit\` in /etc/ghostkeep/config.json, or the annotation io.ghostkeep.limit up to that`,
  );
}

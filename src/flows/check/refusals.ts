/** Lists all reasons for which a checkpoint would be refused now. A dump stops at the first of them. */
import type { Refusal } from '../../base/documents/generated/check.js';
import { fieldsOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { isRegular } from '../../base/host/file-type.js';
import { showBytes } from '../../base/units.js';
import { canMountAgain } from '../../criu/file-systems.js';
import type { Found } from '../../ghost/find/find.js';
import { type Ghost, showGhost, showIdentity } from '../../ghost/ghost.js';
import { chooseGhosts, isOverLimit } from '../choose/choose.js';
import { judgeClosed } from '../choose/closed-on-shm.js';
import { pinNamed } from '../choose/pin-named.js';
import { type DumpOf, lostForGood, refuseLost } from '../choose/shared-shm.js';
import type { Context } from '../context.js';

/** CRIU's --ghost-limit where nobody has raised it. Source: criu(8) */
const criuLimit = 1n << 20n;

/**
 * Finds what ghostkeep or CRIU would refuse, each ghost and each process for itself.
 * @param onUnseen called for what could not be looked at, and is left to CRIU, with the reason; and for what
 * a checkpoint would only warn of
 */
export function findRefusals(
  context: Context,
  found: Found,
  { policy, pids }: DumpOf,
  onUnseen: (text: string) => void,
): Refusal[] {
  context.progress?.begin({ what: 'looking for refusals', item: 'ghost', items: found.ghosts.length });
  const nothing = { ...found, ghosts: [], unseen: [] };
  const refused = (part: Partial<Found>, log = context.log) =>
    refusalOf(() => chooseGhosts({ ...context, log }, { ...nothing, ...part }, { policy, criu: true }));
  const log = { ...context.log, warn: onUnseen };
  const ours = [
    ...found.ghosts.flatMap(ghost => {
      context.progress?.did();
      return refused({ ghosts: [ghost] });
    }),
    ...found.unseen.flatMap(one => refused({ unseen: [one] }, log)),
  ];
  const lost = policy.enabled ? lostForGood(found) : [];
  const shm = lost.flatMap(one => refusalOf(() => refuseLost(context, { policy, pids }, one)));
  const over = policy.enabled ? found.named.filter(file => isOverLimit(file, policy)) : [];
  const large = over.flatMap(file => refusalOf(() => pinNamed(context, { policy, pids }, [file], 0)));
  return [
    ...ours,
    ...shm,
    ...large,
    ...refusalOf(() => judgeClosed({ ...context, log }, { policy, pids }, found)),
    ...found.ghosts.filter(({ refusedByCriu }) => refusedByCriu).map(byCriu),
  ];
}

function refusalOf(choose: () => unknown): Refusal[] {
  try {
    choose();
    return [];
  } catch (error) {
    if (!(error instanceof GhostkeepError)) throw error;
    return [{ ...fieldsOf(error), message: reasonOf(error) } as Refusal];
  }
}

const byCriu = (ghost: Ghost): Refusal => ({
  code: 'GHOST_UNREADABLE',
  subject: showIdentity(ghost.stat),
  message: `CRIU would refuse ${showGhost(ghost)}: ${ghost.why}`,
});

/** Finds what may be refused or lost, but ghostkeep cannot be sure of it beforehand. */
export function findDoubts({ ghosts }: Found): string[] {
  const large = ghosts.filter(
    ({ keep, refusedByCriu, stat }) =>
      keep === 'criu' && !refusedByCriu && isRegular(stat.mode) && stat.allocated > criuLimit,
  );
  return [
    ...large.map(
      ghost =>
        `${showGhost(ghost)} is left to CRIU (${ghost.why}) and has ${showBytes(ghost.stat.allocated)} allocated: CRIU copies 1 MiB at most, unless its ghost-limit is raised`,
    ),
    ...ghosts.flatMap(ghost => (ghost.doubt === undefined ? [] : [`${showGhost(ghost)}: ${ghost.doubt}`])),
  ];
}

/**
 * Mounts that CRIU would refuse: whole file systems of a type that CRIU cannot mount again, on a device that
 * only the container has mounted. A mount that the host has, too, was bound into the container by its
 * runtime, and the runtime names it to CRIU.
 */
export function findMountRefusals({ host: { processes } }: Context, pids: readonly number[]): Refusal[] {
  const self = processes.self();
  const here = new Set(processes.mounts(self).map(({ dev }) => dev));
  const seen = new Set([processes.mountNamespace(self)]);
  return pids.flatMap(pid => {
    const namespace = processes.mountNamespace(pid);
    if (seen.has(namespace)) return [];
    seen.add(namespace);
    return processes
      .mounts(pid)
      .filter(
        ({ dev, root, filesystem }) => root?.equals(whole) && !here.has(dev) && !canMountAgain(filesystem),
      )
      .map(({ mountPoint, filesystem }) => ({
        code: 'MOUNT_REFUSED',
        subject: mountPoint.toString('utf8'),
        message: `CRIU would refuse the mount ${mountPoint.toString('utf8')}: only the container has this ${filesystem} mounted, and CRIU cannot mount one again; let the runtime mount it (a volume), or unmount it`,
      }));
  });
}

const whole = Buffer.from('/');

/**
 * Decides about what lies on a shared /dev/shm while no process of the container holds it. A checkpoint does
 * not have such files (decision 0019). If a process outside the container holds one, it is that process's
 * file, and a warning names it. If no process of the host holds it, it would be lost, and the dump is refused
 * unless the policy's `closedShm` accepts that.
 */
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { errnoOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { isDirectory, isRegular } from '../../base/host/file-type.js';
import { counted } from '../../base/text/counted.js';
import { parseDev, showBytes } from '../../base/units.js';
import { findGhosts } from '../../ghost/find/find.js';
import type { Found } from '../../ghost/find/found.js';
import { listShm, mayClose, type OnShm, pairOf, type ShmList } from '../../ghost/mounts/on-shm.js';
import type { Context } from '../context.js';
import {
  type DumpOf,
  hasBelow,
  namesThatComeBack,
  podmanKeeps,
  refuseLost,
  refuseUnkept,
  unkeptOf,
} from './shared-shm.js';

const mostNames = 3;

/**
 * How long we look for holders of such files on the host. The container is frozen meanwhile. A process that
 * has the same /dev/shm mounted takes some 0.5 ms, and any other takes next to no time.
 */
const searchMs = 1000;

const accept = 'or let `closedShm` in /etc/ghostkeep/config.json accept the loss';
const wayOut = `remove what is not needed, let a process hold the rest open, ${accept}`;

/**
 * Refuses a dump that would lack files of a shared /dev/shm. Called where CRIU streams or encrypts the image,
 * because nothing is copied then.
 * @param mayOpenMore the container runs on until CRIU freezes it, and nobody can look then or later
 * @throws SHM_NOT_KEPT, SHM_NOT_HELD
 */
export function assertNothingOnShm(context: Context, dump: DumpOf, mayOpenMore = false): void {
  if (!dump.policy.enabled) return;
  const found = findGhosts(context.host.processes, dump.pids, context.alive, { named: true });
  const why = new Error('nothing is copied where the image is streamed or encrypted');
  for (const file of found.named) refuseUnkept(context, dump, unkeptOf(file), why);
  for (const one of found.lost) refuseLost(context, dump, one);
  const closed = closedOf(context, dump, found);
  if (closed && mayOpenMore && dump.policy.closedShm === 'refuse')
    refuse(
      closed,
      them =>
        `the container may open or change ${them} until CRIU freezes it, and nobody can look then or later, because the image is streamed or encrypted`,
      `pause the container first, or install the gate and call the runtime itself, or remove the files, ${accept}`,
    );
  judgeClosed(context, dump, found);
}

/**
 * Warns of what a dump will not have, or refuses the dump.
 * @throws SHM_NOT_HELD if something would be lost and the policy does not accept it
 */
export function judgeClosed(context: Context, dump: DumpOf, found: Found): void {
  const closed = closedOf(context, dump, found);
  if (!closed) return;
  const warn = (whose: string) => context.log.warn(showWarning(closed, whose));
  if (dump.policy.closedShm === 'warn') {
    warn('no process of the container holds');
    return;
  }
  if (!closed.complete)
    refuse(closed, them => `no process of the container holds ${them}, and there is more than was looked at`);
  const { files, why } = unheldOf(context, dump, closed.files);
  if (files.length > 0) refuse({ files, complete: true }, why);
  warn('only processes outside the container hold');
}

/**
 * Refuses what has come to /dev/shm while a container that could not be paused ran on between our search and
 * CRIU's freeze. CRIU has finished.
 * @param before what the search found
 * @param manifest lists what is kept; undefined if nothing is
 * @throws SHM_NOT_HELD, unless the policy accepts the loss; the dump stays as it is
 */
export function assertNoneCame(
  context: Context,
  dump: DumpOf,
  { images, before, manifest }: { images: string; before: Found; manifest?: Manifest | undefined },
): void {
  if (dump.policy.closedShm === 'warn') return;
  const kept = (manifest?.ghosts ?? []).map(({ dev, ino }) => `${parseDev(dev)}/${ino}`);
  const known = new Set([...kept, ...before.closed.files.map(pairOf)]);
  const lists = before.closed.places.map(place => listShm(context.host.processes, place, kept.length));
  const came = lists.flatMap(({ files }) => files.filter(file => mayClose(file) && !known.has(pairOf(file))));
  const { files } = unheldOf(context, { ...dump, pids: [] }, came);
  if (files.length === 0) return;
  const path = pathsOf(files)[0] as string;
  throw new GhostkeepError(
    'SHM_NOT_HELD',
    path,
    `the checkpoint in ${images} lacks ${showFiles({ files, complete: true })}, which came before CRIU froze the container, and which no process holds`,
  );
}

/** @returns undefined if the dump loses nothing of this kind */
function closedOf(context: Context, dump: DumpOf, found: Found): ShmList | undefined {
  const { files, complete, places } = found.closed;
  if (!dump.policy.enabled || (files.length === 0 && complete)) return undefined;
  if (places.every(({ dev }) => podmanKeeps(context, dump.pids, dev))) return undefined;
  const back = namesThatComeBack(found);
  const gone = files.filter(({ path, stat }) => !(isDirectory(stat.mode) && hasBelow(back, path)));
  return gone.length === 0 && complete ? undefined : { files: gone, complete };
}

/** Says why files are lost. @param them a pronoun for the files: `it` or `them` */
type Why = (them: string) => string;

interface Unheld {
  files: OnShm[];
  why: Why;
}

/** Those of FILES that no process outside the container holds, as far as that can be found out in time. */
function unheldOf(context: Context, { pids }: DumpOf, files: readonly OnShm[]): Unheld {
  const { processes } = context.host;
  const inside = new Set([...pids, processes.self()]);
  const first = pids[0] ?? 0;
  // The containers of a pod start one after the other, so a holder is likely to have a pid near ours.
  const others = processes
    .listPids()
    .filter(pid => !inside.has(pid))
    .sort((a, b) => Math.abs(a - first) - Math.abs(b - first));
  context.alive?.();
  const { holders, why } = findHolders(context, others, files);
  const held = files.filter((_, at) => holders[at] !== undefined).map(({ path }) => path);
  held.sort(Buffer.compare);
  const unheld = files.filter(
    ({ path, stat }, at) => holders[at] === undefined && !(isDirectory(stat.mode) && hasBelow(held, path)),
  );
  return { files: unheld, why };
}

function findHolders({ host: { processes } }: Context, pids: readonly number[], files: readonly OnShm[]) {
  const inodes = files.map(({ stat }) => stat);
  try {
    const { holders, complete } = processes.findHolders(pids, inodes, searchMs);
    const why: Why = complete
      ? them => `no process of this host holds ${them}`
      : them =>
          `whether a process outside the container holds ${them} was not found out within ${searchMs / 1000} s`;
    return { holders, why };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    const why: Why = them =>
      `whether a process outside the container holds ${them} cannot be found out: ${reasonOf(error)}`;
    return { holders: [], why };
  }
}

function refuse(closed: ShmList, why: Why, ways = wayOut): never {
  const [path = '/dev/shm'] = pathsOf(closed.files);
  const what = isUnlisted(closed)
    ? 'what lies on the /dev/shm from outside the container'
    : showFiles(closed);
  const isOne = closed.complete && closed.files.length === 1;
  const [they, them] = isOne || isUnlisted(closed) ? ['it', 'it'] : ['they', 'them'];
  const reason = isUnlisted(closed) ? 'it cannot be listed' : why(them);
  throw new GhostkeepError(
    'SHM_NOT_HELD',
    path,
    `cannot dump ${what}: ${reason}, so ${they} would be gone where /dev/shm comes back empty; the container runs on; ${ways}`,
  );
}

/** @param whose the end of a relative clause about the files */
function showWarning(closed: ShmList, whose: string): string {
  if (isUnlisted(closed))
    return 'the /dev/shm from outside the container cannot be listed; files there that no process of the container holds are not in the checkpoint';
  return `not in the checkpoint: ${showFiles(closed)}, which ${whose} and which will be gone where /dev/shm comes back empty; copy what is needed, or let a process hold it open`;
}

const isUnlisted = ({ files, complete }: ShmList) => files.length === 0 && !complete;

/** For example: 2 files with 8 KiB on /dev/shm (/dev/shm/first, /dev/shm/second) */
function showFiles({ files, complete }: ShmList): string {
  const regular = files.filter(({ stat }) => isRegular(stat.mode));
  const others = files.length - regular.length;
  const inodes = new Map(regular.map(file => [pairOf(file), file.stat.allocated]));
  const bytes = [...inodes.values()].reduce((sum, each) => sum + each, 0n);
  const what = [
    ...(regular.length > 0 ? [`${counted(regular.length, 'file')} with ${showBytes(bytes)}`] : []),
    ...(others > 0 ? [counted(others, 'folder, FIFO or link', 'folders, FIFOs or links')] : []),
  ].join(' and ');
  const more = files.length > mostNames || !complete ? ', …' : '';
  const least = complete ? '' : 'at least ';
  return `${least}${what} on /dev/shm (${pathsOf(files).join(', ')}${more})`;
}

/** The first paths, those of regular files before all others. */
function pathsOf(files: readonly OnShm[]): string[] {
  const regular = files.filter(({ stat }) => isRegular(stat.mode));
  const others = files.filter(({ stat }) => !isRegular(stat.mode));
  return [...regular, ...others].slice(0, mostNames).map(({ path }) => path.toString('utf8'));
}

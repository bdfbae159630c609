/**
 * Says which files of a shared /dev/shm a checkpoint does not have. Files that no process of the container
 * holds belong to the pod, like those on a volume: another container may have made them, and may go on using
 * them. So a dump only warns of them (decision 0019).
 */
import { isDirectory, isRegular } from '../../base/host/file-type.js';
import { counted } from '../../base/text/counted.js';
import { showBytes } from '../../base/units.js';
import { findGhosts } from '../../ghost/find/find.js';
import type { Found } from '../../ghost/find/found.js';
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
 * Refuses a dump that would lack files of a shared /dev/shm. Called where CRIU streams or encrypts the image,
 * because nothing is copied then.
 * @throws SHM_NOT_KEPT
 */
export function assertNothingOnShm(context: Context, dump: DumpOf): void {
  if (!dump.policy.enabled) return;
  const found = findGhosts(context.host.processes, dump.pids, context.alive, { named: true });
  const why = new Error('nothing is copied where the image is streamed or encrypted');
  for (const file of found.named) refuseUnkept(context, dump, unkeptOf(file), why);
  for (const one of found.lost) refuseLost(context, dump, one);
  warnOfClosed(context, dump, found);
}

export function warnOfClosed(context: Context, dump: DumpOf, found: Found): void {
  const text = showClosed(context, dump, found);
  if (text !== undefined) context.log.warn(text);
}

/** @returns undefined where there is nothing to say */
export function showClosed(context: Context, dump: DumpOf, found: Found): string | undefined {
  const { files, complete, devices } = found.closed;
  if (!dump.policy.enabled || (files.length === 0 && complete)) return undefined;
  if (devices.every(dev => podmanKeeps(context, dump.pids, dev))) return undefined;
  const back = namesThatComeBack(found);
  const gone = files.filter(({ path, stat }) => !(isDirectory(stat.mode) && hasBelow(back, path)));
  if (!complete && files.length === 0)
    return 'the /dev/shm from outside the container cannot be listed; files there that no process of the container holds are not in the checkpoint';
  if (gone.length === 0) return undefined;
  const regular = gone.filter(({ stat }) => isRegular(stat.mode));
  const others = gone.length - regular.length;
  const names = [...regular, ...gone.filter(file => !regular.includes(file))]
    .slice(0, mostNames)
    .map(({ path }) => path.toString('utf8'));
  const inodes = new Map(regular.map(({ stat }) => [`${stat.dev}/${stat.ino}`, stat.allocated]));
  const bytes = [...inodes.values()].reduce((sum, each) => sum + each, 0n);
  const what = [
    ...(regular.length > 0 ? [`${counted(regular.length, 'file')} with ${showBytes(bytes)}`] : []),
    ...(others > 0 ? [counted(others, 'folder, FIFO or link', 'folders, FIFOs or links')] : []),
  ].join(' and ');
  const more = gone.length > names.length || !complete ? ', …' : '';
  const least = complete ? '' : 'at least ';
  return `not in the checkpoint: ${least}${what} on /dev/shm (${names.join(', ')}${more}), which no process of the container holds and which will be gone where /dev/shm comes back empty; copy what is needed, or let a process hold it open`;
}

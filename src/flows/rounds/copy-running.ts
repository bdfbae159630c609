/** Copies of ghosts while their processes run, for a round and for the warm pass. No dump relies on them. */
import type { FileStat, IsOver } from '../../base/host/host.js';
import type { Found } from '../../ghost/find/found.js';
import { type Ghost, showGhost } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import { isOverLimit } from '../choose/choose.js';
import type { PinnedGhost } from '../choose/pin.js';
import { type Context, whenMoving } from '../context.js';
import { toCopies } from '../dump/copy-all.js';
import { type Copy, describeCopy, isUnchanged } from '../dump/copy-one.js';
import { type DumpRequest, makeJournal } from '../dump/journal.js';

/**
 * A ghost with fewer allocated bytes is not copied by a round: copying it takes a millisecond or two, and
 * comparing it not much less.
 */
export const worthBytes = 4n << 20n;

/**
 * File systems that share blocks, and the length from which on the engine asks them to share: LARGE_BYTES of
 * native/engine/base/io.h.
 */
const sharing = new Set(['xfs', 'btrfs']);
const sharedBytes = 64n << 10n;
/** So many extents are looked at to estimate the average length of a file's extents. */
const sample = 256;

export function isLarge({ stat }: Ghost): boolean {
  return stat.allocated >= worthBytes;
}

/**
 * The named FILES that are worth a copy. One over the policy's limit is not: the dump is refused because of
 * it, or leaves it out.
 */
export function worthNamed(files: readonly Ghost[], policy: Policy): Ghost[] {
  return files.filter(file => isLarge(file) && !isOverLimit(file, policy));
}

/**
 * The ghosts that ghostkeep keeps, and behind them the named files. Linked ghosts are left out, because they
 * are small.
 */
export function ghostsForRound({ ghosts, named }: Found, policy: Policy): Ghost[] {
  const ours = ghosts.filter(ghost => ghost.keep === 'ghostkeep' && ghost.class !== 'linked');
  return [...ours, ...worthNamed(named, policy)];
}

/** @returns the reason if GHOSTS are not to be copied, because the dump will refuse one of them */
export function whyForbidden(ghosts: readonly Ghost[], policy: Policy): string | undefined {
  const forbidden = ghosts.find(ghost => isOverLimit(ghost, policy));
  return forbidden && `${showGhost(forbidden)} is over the policy's limit`;
}

/** True if the image is on the same file system and most of the ghost is in extents long enough to share. */
export function willShare(
  { host: { engine, files } }: Context,
  { images, policy }: Pick<DumpRequest, 'images' | 'policy'>,
  { ghost, fd, stat }: PinnedGhost,
): boolean {
  if (!sharing.has(ghost.filesystem) || files.statPath(`${images}/.`).dev !== stat.dev) return false;
  let [count, bytes] = [0n, 0n];
  for (const { length } of engine.extents(fd, policy.engine, stat.size)) {
    count += 1n;
    bytes += length;
    if (count === BigInt(sample)) break;
  }
  return count > 0n && bytes / count >= sharedBytes;
}

export interface RunningCopy {
  /** Bytes of data that the ghost has. */
  bytes: bigint;
  /** Those that the image did not have yet. */
  differed: bigint;
  /**
   * True if blocks were shared, although willShare did not expect it. Then the dump shares them in no time,
   * and the image is of no use.
   */
  shared: boolean;
}

/**
 * Writes the ghost's image while its processes run.
 * @param over IMAGE_FD may hold an earlier image: bytes that are right already are kept
 * @throws ECANCELED soon after isOver returns true
 */
export async function copyRunning(
  context: Context,
  request: DumpRequest,
  pinned: PinnedGhost,
  imageFd: number,
  over: boolean,
  isOver: IsOver,
): Promise<RunningCopy> {
  const { policy } = request;
  const journal = makeJournal(context, request, [pinned], {});
  const copy = { ...(toCopies([pinned], journal)[0] as Copy), over };
  const job = { ...describeCopy(copy, policy), imageFd, engine: policy.engine };
  const { dataBytes, imageBytes, keptBytes, ways } = await context.host.engine.dump(
    job,
    whenMoving(context),
    isOver,
  );
  // The bytes that were written include the head of the image and padding, which are no data of the ghost.
  const isPartly = over && imageBytes - keptBytes < dataBytes;
  return {
    bytes: dataBytes,
    differed: isPartly ? imageBytes - keptBytes : dataBytes,
    shared: ways.includes('reflink'),
  };
}

/**
 * True if the ghost may have other bytes than when BEFORE was seen. This is only a hint for what is worth
 * copying: a store into a mapping need not change a time, so a file that is mapped may always have changed.
 */
export function mayHaveChanged(ghost: Ghost, before: FileStat, now: FileStat): boolean {
  return isMapped(ghost) || !isUnchanged(before, now);
}

export function isMapped({ holders }: Ghost): boolean {
  return holders.some(({ via, shared, writable }) => via === 'map' && shared && writable);
}

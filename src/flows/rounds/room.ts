/**
 * Leaves room on the disk with the bases: the container may write to that disk, too, and must not find it
 * full because of them. While we copy, we look at the room ourselves. A small process, the watcher, looks
 * from before the first base is made until the last one is gone, and removes the bases in time
 * (native/hook/bases/watch.c).
 */
import { showBytes } from '../../base/units.js';
import type { Ghost } from '../../ghost/ghost.js';
import type { Policy } from '../../oci/policy.js';
import type { Context } from '../context.js';

/** Bytes that an image takes besides its ghost's data: its head, and the unused rest of its last block. */
const headBytes = 8192n;

/**
 * Asks whether there is room for copies of GHOSTS. They may take at most half of what is free beyond the
 * policy's reserve; the other half is left to the container.
 * @param least bytes that have to be left in any case
 * @returns the reason if there is no room
 */
export function whyNoRoom(
  { host: { files } }: Context,
  images: string,
  { reserve }: Policy,
  ghosts: readonly Ghost[],
  least = 0n,
): string | undefined {
  const needed = roomFor(ghosts);
  const free = files.freeBytes(images);
  if (free === undefined || needed === 0n) return undefined;
  if (needed + larger(needed, least) + reserve <= free) return undefined;
  return `they need ${showBytes(needed)}, too much of the ${showBytes(free)} free`;
}

/** Asks the same when the copies of GHOSTS exist, so that their bytes are not free any more. */
export function whyTooFull(
  { host: { files } }: Context,
  images: string,
  { reserve }: Policy,
  ghosts: readonly Ghost[],
  least = 0n,
): string | undefined {
  const taken = roomFor(ghosts);
  const free = files.freeBytes(images);
  if (free === undefined || taken === 0n || larger(taken, least) + reserve <= free) return undefined;
  return `only ${showBytes(free)} are free, and a base of it would take room that its container may need`;
}

const roomFor = (ghosts: readonly Ghost[]) =>
  ghosts.reduce((sum, { stat }) => sum + stat.allocated + headBytes, 0n);

const larger = (a: bigint, b: bigint) => (a > b ? a : b);

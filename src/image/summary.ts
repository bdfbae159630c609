/** The sizes of a checkpoint in a few numbers: for CRIU's log, for people, and for scripts. */
import type { Manifest } from '../base/documents/generated/manifest.js';
import { showBytes } from '../base/units.js';
import { countGhosts } from './count-ghosts.js';

export interface Summary {
  ghosts: number;
  /** Bytes of data that the ghosts have. */
  bytes: bigint;
  /** Bytes that a copy from before the freeze already had as they were at the freeze. */
  beforeFreeze: bigint;
  /** Bytes that were not copied, because the image shares the blocks of the ghost (xfs, btrfs). */
  shared: bigint;
}

/**
 * Adds numbers and not bigints, because it runs while the processes of 10,000 ghosts are frozen. The sums are
 * exact below 8 PiB.
 */
export function summarize({ ghosts }: Pick<Manifest, 'ghosts'>): Summary {
  let [all, before, shared] = [0, 0, 0];
  for (const { data } of ghosts) {
    const bytes = Number(data?.bytes ?? 0);
    all += bytes;
    // The bytes that were kept of an image include its head and padding.
    before += Math.min(Number(data?.kept ?? 0), bytes);
    if (data?.ways.length === 1 && data.ways[0] === 'reflink') shared += bytes;
  }
  return { ghosts: ghosts.length, bytes: BigInt(all), beforeFreeze: BigInt(before), shared: BigInt(shared) };
}

/** `3 ghosts, 1.2 GiB of data: 1.1 GiB copied before the freeze, 96 MiB while frozen` */
export function showSummary(manifest: Pick<Manifest, 'ghosts' | 'links'>): string {
  const { ghosts, bytes, beforeFreeze, shared } = summarize(manifest);
  if (ghosts === 0) return countGhosts(manifest);
  const [all, before, frozen] = [bytes, beforeFreeze, bytes - beforeFreeze].map(showBytes);
  const how = shared === 0n ? '' : `, ${showBytes(shared)} of it by sharing blocks`;
  return `${countGhosts(manifest)}, ${all} of data: ${before} copied before the freeze, ${frozen} while frozen${how}`;
}

import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import { errnoOf } from '../../base/errors.js';
import { countFromJson, showBytes } from '../../base/units.js';
import type { Context } from '../context.js';

/** The largest offset in a file (off_t). */
const largestOffset = (1n << 63n) - 1n;
/** We give a sign of life at least this often, because a file system may take its time for each block. */
const sliceBytes = 1n << 30n;

/**
 * How much may be allocated again. An image has no bytes that would prove how much was allocated and never
 * written.
 */
export interface AllocationRoom {
  /** Bytes that stay free on the file system: the host's `reserve`, and data that is still to be written. */
  keepFree: bigint;
  /**
   * For each device, how many bytes ghosts may still get. Set if only the image asks for allocation: then all
   * ghosts together get at most half of the space that is free beyond `keepFree`.
   */
  byImage?: Map<bigint, bigint>;
}

/**
 * Allocates again the ranges that a ghost had allocated and never written; data and size stay as they are.
 * This comes before the other metadata: fallocate(2) changes times and drops file capabilities and
 * set-user-ID bits, and an immutable file cannot be allocated.
 *
 * The ranges come from the manifest, which anybody may have written. We try none of them unless one file
 * could have had them all (apart from each other, and within the largest file size), and unless the disk has
 * room for all of them: a hostile manifest must neither use up root's reserve nor fill the disk. We also try
 * none if the free space is not known, because a tmpfs without a limit would take all memory.
 * @param fd open for writing
 * @param until a time of the host's clock: ranges that are not allocated by then stay as they are
 * @returns the parts that were not allocated, as `allocation (ENOSPC)`
 */
export function allocateAgain(
  { host, alive }: Context,
  fd: number,
  ghost: ManifestGhost,
  room: AllocationRoom,
  until = Number.POSITIVE_INFINITY,
): string[] {
  const { files, engine } = host;
  const before = files.stat(fd);
  const ranges = rangesOf(ghost);
  const recorded = countFromJson(ghost.allocated);
  if (!ranges) return recorded > before.allocated ? ['allocation (not known)'] : [];
  if (ranges.length === 0) return [];
  const wanted = ranges.reduce((sum, { length }) => sum + length, 0n);
  if (ranges.some(({ offset, length }) => offset + length > largestOffset)) return ['allocation (EFBIG)'];
  if (wanted > recorded || !areApart(ranges)) return ['allocation (the manifest contradicts itself)'];
  const free = () => files.freeBytes(`/proc/self/fd/${fd}`);
  const refusal = roomFor(wanted, before.dev, free(), room);
  if (refusal !== undefined) return [`allocation (${refusal})`];
  try {
    for (const { offset, length } of slices(ranges)) {
      if (host.clock() > until) return [`allocation (too slow${partOf()})`];
      if ((free() ?? 0n) < length + room.keepFree) return [`allocation (ENOSPC${partOf()})`];
      engine.allocate(fd, offset, length);
      alive?.();
    }
    return [];
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return [`allocation (${errno}${partOf()})`];
  } finally {
    // Without CAP_FSETID the kernel has dropped the set-id bits.
    if (files.stat(fd).mode !== before.mode) files.setMode(fd, before.mode & 0o7777);
  }

  /**
   * Says how much came back before the failure. ext4 keeps what a failed call has allocated, and so do we:
   * punching it out could destroy data that was written since.
   */
  function partOf(): string {
    const got = files.stat(fd).allocated - before.allocated;
    return got > 0n ? `: ${showBytes(got)} of ${showBytes(wanted)} came back` : '';
  }
}

/** Takes WANTED bytes from the room for allocation. @returns the reason if there is not enough */
function roomFor(
  wanted: bigint,
  dev: bigint,
  free: bigint | undefined,
  { keepFree, byImage }: AllocationRoom,
): string | undefined {
  if (free === undefined) return 'the file system does not say how much is free';
  const refuse = (there: string) => `ENOSPC: ${showBytes(wanted)} are needed, ${there}`;
  const kept = keepFree > 0n ? ` and ${showBytes(keepFree)} are kept` : '';
  if (wanted + keepFree > free) return refuse(`${showBytes(free)} are free${kept}`);
  if (!byImage) return undefined;
  const left = byImage.get(dev) ?? (free - keepFree) / 2n;
  if (wanted > left) return refuse(`the image alone asks for it and may take ${showBytes(left)}`);
  byImage.set(dev, left - wanted);
  return undefined;
}

/** True if the ranges are in order and do not overlap, as a file's map lists them. */
function areApart(ranges: readonly Range[]): boolean {
  let end = 0n;
  for (const { offset, length } of ranges) {
    if (offset < end || length === 0n) return false;
    end = offset + length;
  }
  return true;
}

export interface Range {
  offset: bigint;
  length: bigint;
}

/** @returns undefined if the ranges are not known */
export function rangesOf({ data }: ManifestGhost): Range[] | undefined {
  return data?.allocation?.map(({ offset, length }) => ({
    offset: countFromJson(offset),
    length: countFromJson(length),
  }));
}

function* slices(ranges: readonly Range[]): Generator<Range> {
  for (const { offset, length } of ranges) {
    for (let done = 0n; done < length; done += sliceBytes) {
      const rest = length - done;
      yield { offset: offset + done, length: rest < sliceBytes ? rest : sliceBytes };
    }
  }
}

import type { ManifestGhost } from '../base/documents/generated/manifest.js';
import { errnoOf } from '../base/errors.js';
import { countFromJson, showBytes } from '../base/units.js';
import type { Context } from './context.js';

/** Of a file, by off_t. */
const largestOffset = (1n << 63n) - 1n;
/** A sign of life at least this often: a file system may take its time for each block. */
const sliceBytes = 1n << 30n;

/**
 * Allocate again what a ghost had allocated and never written; data and size stay as they are. To be done before other
 * metadata: fallocate(2) moves times and drops file capabilities and set-user-ID bits, and an immutable file takes no more.
 * The ranges are the manifest's word and may be anybody's: more than there is free is not even tried, so that neither root's
 * reserve goes nor a full disk is left behind.
 * @param fd open for writing
 * @param until by the host's clock: what is not allocated by then stays as it is
 * @returns what did not come back, as `allocation (ENOSPC)`
 */
export function allocateAgain(
  { host, alive }: Context,
  fd: number,
  ghost: ManifestGhost,
  until = Number.POSITIVE_INFINITY,
): string[] {
  const { files, engine } = host;
  const before = files.stat(fd);
  const ranges = rangesOf(ghost);
  if (!ranges) return countFromJson(ghost.allocated) > before.allocated ? ['allocation (not known)'] : [];
  if (ranges.length === 0) return [];
  const wanted = ranges.reduce((sum, { length }) => sum + length, 0n);
  if (ranges.some(({ offset, length }) => offset + length > largestOffset)) return ['allocation (EFBIG)'];
  const free = files.freeBytes(`/proc/self/fd/${fd}`);
  if (wanted > free)
    return [`allocation (ENOSPC: ${showBytes(wanted)} are needed, ${showBytes(free)} are free)`];
  try {
    for (const { offset, length } of slices(ranges)) {
      if (host.clock() > until) return [`allocation (too slow${partOf()})`];
      engine.allocate(fd, offset, length);
      alive?.();
    }
    return [];
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return [`allocation (${errno}${partOf()})`];
  } finally {
    // Without CAP_FSETID the bits are gone.
    if (files.stat(fd).mode !== before.mode) files.setMode(fd, before.mode & 0o7777);
  }

  /** ext4 keeps what a call that failed had got so far. It stays: to punch it out could take data that came since. */
  function partOf(): string {
    const got = files.stat(fd).allocated - before.allocated;
    return got > 0n ? `: ${showBytes(got)} of ${showBytes(wanted)} came back` : '';
  }
}

export interface Range {
  offset: bigint;
  length: bigint;
}

/** Undefined where it is not known. */
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

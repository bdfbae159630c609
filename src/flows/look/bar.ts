/** Where a ghost has data, to scale: a file is cut into equal pieces, and each piece says how full it is. */
import type { Extent } from '../../base/host/host.js';

/** Pieces of one file. A bar on a screen has about as many pixels. */
export const pieces = 256;

/** Data in a piece: 1 is a little, 9 is all of it. */
const levels = 9;

/**
 * `9:40,0:9,u:3`: pieces of one level in a row, as level and count, both from the start of the file. `u` has
 * no data and is allocated.
 * @param extents of data, in any order, inside size
 * @param allocated ranges that are allocated and have no data; what lies past the size is left out
 */
export function drawBar(
  size: bigint,
  extents: Iterable<Pick<Extent, 'offset' | 'length'>>,
  allocated: Iterable<Pick<Extent, 'offset' | 'length'>> = [],
): string {
  if (size <= 0n) return '';
  const data = fill(size, extents);
  const unwritten = fill(size, allocated);
  const marks = Array.from(data, (full, index) =>
    full > 0
      ? String(Math.max(1, Math.min(levels, Math.floor(full * levels))))
      : unwritten[index]
        ? 'u'
        : '0',
  );
  const runs: { mark: string; count: number }[] = [];
  for (const mark of marks) {
    const last = runs.at(-1);
    if (last?.mark === mark) last.count += 1;
    else runs.push({ mark, count: 1 });
  }
  return runs.map(({ mark, count }) => `${mark}:${count}`).join(',');
}

/** For each piece, which part of it the ranges cover. */
function fill(size: bigint, ranges: Iterable<Pick<Extent, 'offset' | 'length'>>): Float64Array {
  const covered = new Float64Array(pieces);
  const bytes = Number(size);
  for (const { offset, length } of ranges) {
    // Numbers have 53 bits: a piece of a file that needs more is far larger than what is lost.
    const start = (Number(offset) / bytes) * pieces;
    const end = Math.min(pieces, (Number(offset + length) / bytes) * pieces);
    for (let piece = Math.floor(start); piece < end; piece += 1)
      covered[piece] = (covered[piece] ?? 0) + Math.min(end, piece + 1) - Math.max(start, piece);
  }
  return covered;
}

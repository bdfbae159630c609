/** Where a ghost has data, to scale: a file is cut into equal pieces, and each piece says how full it is. */
import type { Extent } from '../../base/host/host.js';

/** The number of pieces of each file. A bar on a screen has about as many pixels. */
export const pieces = 256;

/** The highest level of a piece: level 1 is a little data, level 9 is all data. */
const levels = 9;

/**
 * Draws a bar as text. `9:40,0:9,u:3` are, from the start of the file, 40 pieces of level 9, 9 pieces of
 * level 0, and 3 pieces that have no data and are allocated (`u`).
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
  return toRuns(Array.from(data, (full, piece) => (full === 0 && unwritten[piece] ? 'u' : fullness(full))));
}

/** @param full how much of a piece is data, from 0 to 1 @returns its level */
export function fullness(full: number): string {
  return full > 0 ? String(Math.max(1, Math.min(levels, Math.floor(full * levels)))) : '0';
}

/** @param marks one for each piece */
export function toRuns(marks: readonly string[]): string {
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
  // Numbers have 53 bits. A size that needs more loses far less by rounding than one piece has.
  for (const { offset, length } of ranges)
    cover(covered, Number(offset) / bytes, Number(offset + length) / bytes);
  return covered;
}

/** Adds a range to COVERED. START and END are parts of the size; nothing past the size is added. */
export function cover(covered: Float64Array, start: number, end: number): void {
  const [first, last] = [start * pieces, Math.min(pieces, end * pieces)];
  for (let piece = Math.floor(first); piece < last; piece += 1)
    covered[piece] = (covered[piece] ?? 0) + Math.min(last, piece + 1) - Math.max(first, piece);
}

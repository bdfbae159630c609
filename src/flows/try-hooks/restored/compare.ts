/**
 * Compares every byte, hole and timestamp of a restored file with its original. It uses only lseek and read,
 * so that the engine does not judge its own work.
 */

import type { FileStat } from '../../../base/host/host.js';
import type { Testbed } from '../../../base/host/testbed.js';
import { showBytes, showTime } from '../../../base/units.js';

const windowBytes = 1024 * 1024;

interface Range {
  start: bigint;
  end: bigint;
}

export interface OpenFile {
  fd: number;
  stat: FileStat;
}

export interface Comparison {
  /** Bytes in the original's data ranges. */
  data: bigint;
  /** Bytes read from both. */
  compared: bigint;
  /** Bytes that are a hole in both. */
  holes: bigint;
  timesEqual: boolean;
  differences: string[];
}

export function compareFiles(testbed: Testbed, original: OpenFile, restored: OpenFile): Comparison {
  const differences = differentFields(original.stat, restored.stat);
  const times = differentTimes(original.stat, restored.stat);
  const size = original.stat.size;
  const before = dataRanges(testbed, original.fd, size);
  const after = dataRanges(testbed, restored.fd, size);
  const hole = firstDifferentRange(before, after);
  if (hole !== undefined) differences.push(hole);
  const wanted = union([...before, ...after]);
  const wrong = firstDifferentByte(testbed, original.fd, restored.fd, wanted);
  if (wrong !== undefined) differences.push(wrong);
  const compared = length(wanted);
  return {
    data: length(before),
    compared,
    holes: size - compared,
    timesEqual: times.length === 0,
    differences: [...differences, ...times],
  };
}

function differentFields(before: FileStat, after: FileStat): string[] {
  const fields: [string, unknown, unknown][] = [
    ['size', before.size, after.size],
    ['mode', before.mode.toString(8), after.mode.toString(8)],
    ['owner', `${before.uid}:${before.gid}`, `${after.uid}:${after.gid}`],
  ];
  return showDifferent(fields);
}

function differentTimes(before: FileStat, after: FileStat): string[] {
  return showDifferent([
    ['mtime', showTime(before.mtimeNs), showTime(after.mtimeNs)],
    ['atime', showTime(before.atimeNs), showTime(after.atimeNs)],
  ]);
}

function showDifferent(fields: readonly [string, unknown, unknown][]): string[] {
  return fields.filter(([, a, b]) => a !== b).map(([name, a, b]) => `${name} is ${b}, ${a} before`);
}

function dataRanges(testbed: Testbed, fd: number, size: bigint): Range[] {
  const ranges: Range[] = [];
  let at = 0n;
  for (;;) {
    const range = testbed.nextData(fd, at, size);
    if (!range || range.start >= size) return ranges;
    at = range.end < size ? range.end : size;
    ranges.push({ start: range.start, end: at });
  }
}

function firstDifferentRange(before: readonly Range[], after: readonly Range[]): string | undefined {
  for (let index = 0; index < Math.max(before.length, after.length); index += 1) {
    const [was, is] = [before[index], after[index]];
    if (was?.start === is?.start && was?.end === is?.end) continue;
    return `holes differ: data at ${show(is)}, ${show(was)} before`;
  }
  return undefined;
}

function show(range: Range | undefined): string {
  return range ? `[${range.start}, ${range.end})` : 'nothing more';
}

function union(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const merged: Range[] = [];
  for (const { start, end } of sorted) {
    const last = merged.at(-1);
    if (!last || start > last.end) merged.push({ start, end });
    else if (end > last.end) last.end = end;
  }
  return merged;
}

function length(ranges: readonly Range[]): bigint {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0n);
}

function firstDifferentByte(
  testbed: Testbed,
  one: number,
  other: number,
  ranges: readonly Range[],
): string | undefined {
  const [a, b] = [Buffer.alloc(windowBytes), Buffer.alloc(windowBytes)];
  for (const { start, end } of ranges) {
    for (let at = start; at < end; ) {
      const part = end - at < windowBytes ? Number(end - at) : windowBytes;
      const [left, right] = [readAll(testbed, one, a, at, part), readAll(testbed, other, b, at, part)];
      const short = left.length < right.length ? left : right;
      const wrong = left.equals(right) ? -1 : left.findIndex((byte, index) => byte !== right[index]);
      if (wrong >= 0 && wrong < short.length)
        return `byte ${at + BigInt(wrong)} is ${hex(right[wrong])}, ${hex(left[wrong])} before`;
      if (left.length !== right.length)
        return `it ends at ${showBytes(at + BigInt(right.length))}, ${showBytes(at + BigInt(left.length))} before`;
      at += BigInt(part);
    }
  }
  return undefined;
}

function readAll(testbed: Testbed, fd: number, window: Buffer, offset: bigint, length: number): Buffer {
  let done = 0;
  while (done < length) {
    const count = testbed.read(fd, window.subarray(done, length), offset + BigInt(done));
    if (count === 0) break;
    done += count;
  }
  return window.subarray(0, done);
}

function hex(byte: number | undefined): string {
  return (byte ?? 0).toString(16).padStart(2, '0');
}

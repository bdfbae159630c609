/** Files whose every byte follows from its offset, so that any copy can be judged without the original. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

export interface Pattern {
  name: string;
  size: number;
  /**
   * Data of `data` bytes begins at lead, lead + period, … below size. All these numbers are multiples of 4
   * KiB.
   */
  lead: number;
  data: number;
  period: number;
  /** Allocate the whole file first. The parts without data stay unwritten. */
  fallocated?: boolean;
  /** A number that is written into every block, so that one of many files cannot pass for another. */
  serial?: number;
  /** One block in every EVERY has been written over, for the REVISIONth time. */
  changed?: { every: number; revision: number };
}

const kib = 1024;
const mib = 1024 * kib;
const blockBytes = 4 * kib;
export const windowBytes = mib;
/** The distance between the noise of one revision and that of the next. */
const changedStep = 7 * blockBytes;

export function dense(mebibytes: number, name = `dense-${mebibytes}m`): Pattern {
  const size = mebibytes * mib;
  return { name, size, lead: 0, data: size, period: size };
}

/** This many dense files, all different. */
export function many(count: number, kibibytes: number): Pattern[] {
  const size = kibibytes * kib;
  return Array.from({ length: count }, (_, n) => {
    return { name: `dense-${kibibytes}k-${n}`, size, lead: 0, data: size, period: size, serial: n + 1 };
  });
}

export function alternating(mebibytes: number): Pattern {
  return { name: `4k-4k-${mebibytes}m`, size: mebibytes * mib, lead: 0, data: 4 * kib, period: 8 * kib };
}

export function holeBefore8k(mebibytes: number): Pattern {
  const lead = mebibytes * mib;
  return { name: `hole-${mebibytes}m-8k`, size: lead + 8 * kib, lead, data: 8 * kib, period: 8 * kib };
}

export function fallocatedWith8k(mebibytes: number): Pattern {
  const size = mebibytes * mib;
  const lead = size / 2;
  return { name: `fallocated-${mebibytes}m`, size, lead, data: 8 * kib, period: size, fallocated: true };
}

/** This many blocks, at equal distances. */
export function scattered(name: string, extents: number, size: number): Pattern {
  return { name, size, lead: 0, data: blockBytes, period: size / extents };
}

export function dataBytes(pattern: Pattern): number {
  let sum = 0;
  for (const [start, end] of ranges(pattern, 0, pattern.size)) sum += end - start;
  return sum;
}

/** Data ranges of [from, to), half-open. */
export function* ranges(pattern: Pattern, from: number, to: number): Generator<[number, number]> {
  const { lead, data, period } = pattern;
  const limit = Math.min(to, pattern.size);
  const before = Math.max(0, Math.floor((from - lead) / period));
  for (let start = lead + before * period; start < limit; start += period) {
    const [low, high] = [Math.max(start, from), Math.min(start + data, limit)];
    if (low < high) yield [low, high];
  }
}

const noise = makeNoise();
const scratch = Buffer.alloc(windowBytes);

/** The bytes that [offset, offset + length) must read as. Valid until the next call. At most windowBytes. */
export function expected(pattern: Pattern, offset: number, length: number): Buffer {
  const window = scratch.subarray(0, length);
  let at = offset;
  for (const [start, end] of ranges(pattern, offset, offset + length)) {
    window.fill(0, at - offset, start - offset);
    const data = window.subarray(start - offset, end - offset);
    fillData(data, start, pattern.serial ?? 0);
    if (pattern.changed) change(data, start, pattern.changed);
    at = end;
  }
  return window.fill(0, at - offset);
}

/** Fills with noise. Each block begins with its own offset and its file's serial number. */
function fillData(into: Buffer, offset: number, serial: number): void {
  for (let at = 0; at < into.length; ) {
    const from = (offset + at) % windowBytes;
    at += noise.copy(into, at, from, Math.min(windowBytes, from + into.length - at));
  }
  const first = Math.ceil(offset / blockBytes) * blockBytes - offset;
  for (let at = first; at + 12 <= into.length; at += blockBytes)
    into.writeUInt32LE(serial, into.writeDoubleLE(offset + at + 1, at));
}

/** The offsets of the blocks in [offset, offset + length) that have been written over. */
export function* changedBlocks(
  { every }: NonNullable<Pattern['changed']>,
  offset: number,
  length: number,
): Generator<number> {
  const period = every * blockBytes;
  for (let at = Math.ceil(offset / period) * period; at < offset + length; at += period) yield at;
}

/** Replaces the bytes of all changed blocks by others. */
function change(data: Buffer, offset: number, changed: NonNullable<Pattern['changed']>): void {
  for (const at of changedBlocks(changed, offset, data.length)) {
    const from = (at + changed.revision * changedStep) % windowBytes;
    noise.copy(data, at - offset, from, from + blockBytes);
    data.writeDoubleLE(at + 1, at - offset);
  }
}

/** Writes over the blocks of a file that PATTERN says have changed. */
export function writeChanges(pattern: Pattern, file: string): void {
  const { changed, size } = pattern;
  if (!changed) return;
  const fd = fs.openSync(file, 'r+');
  try {
    for (const at of changedBlocks(changed, 0, size))
      if (fs.writeSync(fd, expected(pattern, at, blockBytes), 0, blockBytes, at) !== blockBytes)
        throw new Error(`${file}: a short write at ${at}`);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Write the pattern into a new, empty file. The size is set first, because xfs would otherwise preallocate
 * behind each write.
 */
export function writePattern(pattern: Pattern, file: string, fd: number): void {
  if (pattern.fallocated) execFileSync('fallocate', ['-l', String(pattern.size), file]);
  fs.ftruncateSync(fd, pattern.size);
  for (const [start, end] of ranges(pattern, 0, pattern.size)) {
    for (let at = start; at < end; at += windowBytes) {
      const length = Math.min(windowBytes, end - at);
      if (fs.writeSync(fd, expected(pattern, at, length), 0, length, at) !== length)
        throw new Error(`${file}: a short write at ${at}`);
    }
  }
}

function makeNoise(): Buffer {
  const words = new Uint32Array(windowBytes / 4);
  let state = 0x9e3779b9;
  for (let n = 0; n < words.length; n += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[n] = state;
  }
  return Buffer.from(words.buffer);
}

/**
 * Says whether every byte is right, by the pattern alone. The only code of ghostkeep in it is the call of
 * lseek(2).
 */
import fs from 'node:fs';
import { seek } from '../../src/host/native/libc.js';
import { dataBytes, expected, type Pattern, ranges, windowBytes } from './patterns.js';

const buffer = Buffer.alloc(windowBytes);

export function fileEquals(pattern: Pattern, file: string | number): boolean {
  const fd = typeof file === 'number' ? file : fs.openSync(file, 'r');
  try {
    if (fs.fstatSync(fd).size !== pattern.size) return false;
    return rangeEquals(pattern, 0, pattern.size, fd, 0);
  } finally {
    if (typeof file !== 'number') fs.closeSync(fd);
  }
}

const [seekData, seekHole] = [3, 4];

/**
 * Like fileEquals, but it does not read the holes, which would take an hour for some files. The kernel
 * guarantees that a hole reads as zero.
 */
export function sparseFileEquals(pattern: Pattern, file: string): boolean {
  const fd = fs.openSync(file, 'r');
  try {
    if (fs.fstatSync(fd).size !== pattern.size) return false;
    let covered = 0;
    for (let hole = 0; hole < pattern.size; ) {
      const data = Number(seek(fd, BigInt(hole), seekData));
      if (data < 0) break; // ENXIO: only a hole is left
      hole = Number(seek(fd, BigInt(data), seekHole));
      if (hole <= data || !rangeEquals(pattern, data, hole, fd, data)) return false;
      covered += coveredBytes(pattern, data, hole);
    }
    return covered === dataBytes(pattern);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * CRIU's ghost image: u32 magics, the length of a ghost_file_entry and the entry, then for each chunk the
 * length of its header, the header (len = 1, off = 2) and its bytes. Source: CRIU, images/ghost-file.proto.
 */
export function ghostImageEquals(pattern: Pattern, file: string): boolean {
  const fd = fs.openSync(file, 'r');
  try {
    const imageBytes = fs.fstatSync(fd).size;
    let at = 8;
    const entry = readEntry(fd, at);
    at = entry.next;
    if (entry.fields.get(10) !== undefined && entry.fields.get(10) !== pattern.size) return false;
    if (entry.fields.get(9) !== 1) {
      return imageBytes - at === pattern.size && rangeEquals(pattern, 0, pattern.size, fd, at);
    }
    let covered = 0;
    let last = 0;
    let runs = 1;
    while (at < imageBytes) {
      const { fields, next } = readEntry(fd, at);
      const [length, offset] = [fields.get(1) ?? 0, fields.get(2) ?? 0];
      // After a dump over an earlier image, the offsets may go back once (docs/decisions/0017).
      if (offset < last) runs += 1;
      if (runs > 2 || offset + length > pattern.size) return false;
      if (!rangeEquals(pattern, offset, offset + length, fd, next)) return false;
      covered += coveredBytes(pattern, offset, offset + length);
      last = offset + length;
      at = next + length;
    }
    return at === imageBytes && covered === dataBytes(pattern);
  } finally {
    fs.closeSync(fd);
  }
}

function coveredBytes(pattern: Pattern, from: number, to: number): number {
  let sum = 0;
  for (const [start, end] of ranges(pattern, from, to)) sum += end - start;
  return sum;
}

function rangeEquals(pattern: Pattern, from: number, to: number, fd: number, place: number): boolean {
  for (let at = from; at < to; at += windowBytes) {
    const length = Math.min(windowBytes, to - at);
    if (fs.readSync(fd, buffer, 0, length, place + at - from) !== length) return false;
    if (expected(pattern, at, length).compare(buffer, 0, length) !== 0) return false;
  }
  return true;
}

const head = Buffer.alloc(512);

/**
 * Varint fields of one protobuf message behind its u32 length. If several have one number, the last counts.
 */
function readEntry(fd: number, at: number): { fields: Map<number, number>; next: number } {
  fs.readSync(fd, head, 0, head.length, at);
  const length = head.readUInt32LE(0);
  return {
    fields: varintFields(head.subarray(4, 4 + Math.min(length, head.length - 4))),
    next: at + 4 + length,
  };
}

export function varintFields(message: Buffer): Map<number, number> {
  const fields = new Map<number, number>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    if ((key & 7) === 0) fields.set(key >>> 3, varint());
    else if ((key & 7) === 2) {
      const length = varint();
      at += length;
    } else at += (key & 7) === 1 ? 8 : 4;
  }
  return fields;
}

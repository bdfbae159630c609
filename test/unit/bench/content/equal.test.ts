import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileEquals, ghostImageEquals, sparseFileEquals } from '../../../../bench/content/equal.js';
import {
  alternating,
  dataBytes,
  dense,
  expected,
  many,
  type Pattern,
  ranges,
  writeChanges,
  writePattern,
} from '../../../../bench/content/patterns.js';
import { encodeGhostHead } from '../../../../src/criu/ghost-file.js';

const pattern: Pattern = { ...alternating(1), size: 64 * 1024 };
const head = { uid: 0, gid: 0, mode: 0o100600, dev: 2049n, ino: 300n, atimeNs: 1_700_000_000_123_456_000n };

type Chunk = { offset: number; length: number };

function image(chunks: readonly Chunk[], change?: (bytes: Buffer, offset: number) => void): Buffer {
  const size = BigInt(pattern.size);
  const parts = [encodeGhostHead({ ...head, mtimeNs: head.atimeNs, size })];
  for (const { offset, length } of chunks) {
    const bytes = Buffer.from(expected(pattern, offset, length));
    change?.(bytes, offset);
    const entry = Buffer.from([0x08, ...varint(length), 0x10, ...varint(offset)]);
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32LE(entry.length);
    parts.push(prefix, entry, bytes);
  }
  return Buffer.concat(parts);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

const chunks = [...ranges(pattern, 0, pattern.size)].map(([start, end]) => ({
  offset: start,
  length: end - start,
}));

function inFile(t: TestContext, bytes: Buffer): string {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'file');
  fs.writeFileSync(file, bytes);
  return file;
}

describe('ghostImageEquals', () => {
  it('when every data range is there, the image is equal, and zeroes in place of a hole are no error', t => {
    assert.equal(chunks.length, 8);
    assert.equal(ghostImageEquals(pattern, inFile(t, image(chunks))), true);
    const all = [{ offset: 0, length: pattern.size }];
    assert.equal(ghostImageEquals(pattern, inFile(t, image(all))), true);
  });

  it('when one byte differs, the image is not equal', t => {
    const change = (bytes: Buffer, offset: number) => {
      if (offset === 8192) bytes[4095] = ~(bytes[4095] as number);
    };
    assert.equal(ghostImageEquals(pattern, inFile(t, image(chunks, change))), false);
  });

  it('when a data range is missing, or the image is cut off, the image is not equal', t => {
    assert.equal(ghostImageEquals(pattern, inFile(t, image(chunks.slice(0, -1)))), false);
    assert.equal(ghostImageEquals(pattern, inFile(t, image(chunks).subarray(0, -1))), false);
  });

  it('when a chunk stands at another offset, the image is not equal', t => {
    const moved = image(chunks, (bytes, offset) => {
      if (offset === 8192) bytes.set(expected(pattern, 16384, 4096));
    });
    assert.equal(ghostImageEquals(pattern, inFile(t, moved)), false);
  });
});

describe('fileEquals', () => {
  it('when a file has what was written, it is equal; a shorter or damaged file is not', t => {
    const file = inFile(t, Buffer.alloc(0));
    const fd = fs.openSync(file, 'r+');
    writePattern(pattern, file, fd);
    assert.equal(dataBytes(pattern), pattern.size / 2);
    assert.equal(fileEquals(pattern, file), true);
    fs.writeSync(fd, 'x', 5000);
    assert.equal(fileEquals(pattern, file), false);
    fs.writeSync(fd, '\0', 5000);
    assert.equal(fileEquals(pattern, file), true);
    fs.ftruncateSync(fd, pattern.size - 1);
    assert.equal(fileEquals(pattern, file), false);
    fs.closeSync(fd);
  });
});

describe('sparseFileEquals', () => {
  it('when only the data is read, a wrong byte, an extra byte in a hole and a lost range are still found', t => {
    const file = inFile(t, Buffer.alloc(0));
    const fd = fs.openSync(file, 'r+');
    writePattern(pattern, file, fd);
    assert.equal(sparseFileEquals(pattern, file), true);
    fs.writeSync(fd, 'x', 4096 + 7);
    assert.equal(sparseFileEquals(pattern, file), false);
    fs.writeSync(fd, '\0', 4096 + 7);
    assert.equal(sparseFileEquals(pattern, file), true);
    fs.writeSync(fd, '!', 8192 + 99);
    assert.equal(sparseFileEquals(pattern, file), false);
    fs.closeSync(fd);
    const holes = inFile(t, Buffer.alloc(0));
    fs.truncateSync(holes, pattern.size);
    assert.equal(sparseFileEquals(pattern, holes), false);
  });
});

describe('many', () => {
  it('when two files of a set have the same size, their contents differ', t => {
    const [first, second] = many(2, 16) as [Pattern, Pattern];
    const file = inFile(t, Buffer.from(expected(first, 0, first.size)));
    assert.deepEqual([fileEquals(first, file), fileEquals(second, file)], [true, false]);
  });
});

describe('writeChanges', () => {
  const [blockBytes, every] = [4096, 100];
  const whole = dense(2);

  function written(t: TestContext, now: Pattern): string {
    const file = inFile(t, Buffer.alloc(0));
    const fd = fs.openSync(file, 'r+');
    writePattern(whole, file, fd);
    fs.closeSync(fd);
    writeChanges(now, file);
    return file;
  }

  it('when writeChanges writes blocks over, the file equals the new pattern, and no earlier one', t => {
    const now: Pattern = { ...whole, changed: { every, revision: 2 } };
    const file = written(t, now);
    assert.equal(fileEquals(now, file), true);
    assert.equal(fileEquals(whole, file), false);
    assert.equal(fileEquals({ ...now, changed: { every, revision: 1 } }, file), false);
  });

  it('when writeChanges changes every hundredth block, all bytes of that block change, and all others stay', t => {
    const bytes = fs.readFileSync(written(t, { ...whole, changed: { every, revision: 1 } }));
    const before = fs.readFileSync(written(t, whole));
    for (let at = 0; at < bytes.length; at += blockBytes) {
      const [old, now] = [before, bytes].map(all => all.subarray(at + 8, at + blockBytes)) as [
        Buffer,
        Buffer,
      ];
      const same = old.filter((byte, index) => byte === now[index]).length;
      if (at % (every * blockBytes) === 0) assert.ok(same < blockBytes / 64, `${at}: ${same} bytes stayed`);
      else assert.ok(old.equals(now), `${at}`);
    }
  });
});

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { EngineReport } from '../../../../src/base/host/host.js';
import { encodeGhostHead } from '../../../../src/criu/ghost-file.js';
import { NativeEngine } from '../../../../src/host/engine/engine.js';
import { type Random, randomFrom, seed } from '../../../random.js';

const engine = new NativeEngine();
const [block, mebibyte] = [4096, 2 ** 20];

/** Data from FROM to TO. VERSION decides which bytes it has. */
interface Data {
  from: number;
  to: number;
  version: number;
}

/** A ghost at a moment: everything that is not data is a hole. */
interface State {
  size: number;
  data: Data[];
}

describe('a dump over an earlier image', () => {
  let folder: string;
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-over-'));
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const front = { from: 64 * block, to: 80 * block, version: 1 };
  const rest = { from: 2 * mebibyte, to: 8 * mebibyte, version: 1 };
  const last = { from: 9 * mebibyte, to: 10 * mebibyte, version: 1 };
  const state = (...data: Data[]): State => ({ size: 11 * mebibyte, data });

  const cases: [name: string, earlier: State, now: State, writtenAtMost: number][] = [
    ['nothing has changed, nothing is written', state(front, rest, last), state(front, rest, last), 0],
    [
      'one page of a large range has changed, one page is written',
      state(rest, last),
      state(rest, { from: rest.from + 99 * block, to: rest.from + 100 * block, version: 2 }, last),
      block,
    ],
    [
      'an extent comes in front, the data behind it stays where it is',
      state(rest, last),
      state(front, rest, last),
      front.to - front.from + 4 * block,
    ],
    [
      'an extent in front goes, the data behind it stays where it is',
      state(front, rest, last),
      state(rest, last),
      front.to - front.from + 2 * block,
    ],
    [
      'a long extent in front goes, the gap is filled and the data behind it stays where it is',
      state({ from: 0, to: mebibyte, version: 1 }, rest, last),
      state(rest, last),
      mebibyte + 2 * block,
    ],
    [
      'a hole opens in a large range, both sides stay where they are',
      state(rest, last),
      state({ ...rest, to: 5 * mebibyte }, { ...rest, from: 5 * mebibyte + 16 * block }, last),
      18 * block,
    ],
    [
      'two extents become one, both stay where they are',
      state(rest, last),
      state({ ...rest, to: last.to }),
      mebibyte + 4 * block,
    ],
    [
      'the file has grown at its end, what was there stays where it is',
      { size: 8 * mebibyte, data: [rest] },
      { size: 9 * mebibyte, data: [{ ...rest, to: 9 * mebibyte }] },
      mebibyte + 2 * block,
    ],
  ];
  for (const [name, earlier, now, writtenAtMost] of cases)
    it(`a dump over an earlier image: when ${name}`, async () => {
      const image = open(folder, 'image');
      await dump(earlier, image, false);
      const report = await dump(now, image, true);
      assert.ok(written(report) <= writtenAtMost, `${written(report)} bytes were written`);
      assert.equal(report.keptBytes + BigInt(written(report)), report.imageBytes);
      await assertImageOf(now, image);
      fs.closeSync(image);
    });

  it('when extents come in front again and again, the image holds little besides the data', async () => {
    const image = open(folder, 'image');
    const data = [rest, last];
    await dump(state(...data), image, false);
    for (let n = 20; n > 0; n -= 1) {
      data.unshift({ from: n * 20 * block, to: (n * 20 + 10) * block, version: n });
      await dump(state(...data), image, true);
      await assertImageOf(state(...data), image);
    }
    const bytes = data.reduce((sum, { from, to }) => sum + to - from, 0);
    assert.ok(fs.fstatSync(image).size < bytes + mebibyte, `${fs.fstatSync(image).size} for ${bytes}`);
    fs.closeSync(image);
  });

  it(`when ghosts and earlier images are random, the image is right (GHOSTKEEP_SEED=${seed})`, async () => {
    const pick = randomFrom(seed);
    for (let n = 0; n < 12; n += 1) {
      const image = open(folder, 'image');
      let now = anyState(pick);
      await dump(now, image, false);
      for (let rounds = 1 + pick(4); rounds > 0; rounds -= 1) {
        now = pick(6) === 0 ? anyState(pick) : changed(now, pick);
        if (pick(4) === 0) spoil(image, pick);
        const report = await dump(now, image, true);
        assert.equal(report.keptBytes + BigInt(written(report)), report.imageBytes);
        await assertImageOf(now, image);
      }
      fs.closeSync(image);
    }
  });

  async function dump({ size, data }: State, imageFd: number, over: boolean): Promise<EngineReport> {
    const ghostFd = open(folder, 'ghost');
    fs.ftruncateSync(ghostFd, size);
    for (const { from, to, version } of data)
      fs.writeSync(ghostFd, bytesOf(from, to, version), 0, to - from, from);
    fs.fsyncSync(ghostFd);
    const [header, chunked] = [headOf(size), true];
    const request = { ghostFd, imageFd, engine: 'auto' as const, size: BigInt(size), header, chunked };
    const report = await engine.dump({ ...request, detectZeroes: false, over });
    fs.closeSync(ghostFd);
    return report;
  }

  /** Judged by a reader like CRIU's, which takes chunks in any order, and by our own. */
  async function assertImageOf({ size, data }: State, image: number): Promise<void> {
    const expected = Buffer.alloc(size);
    for (const { from, to, version } of data) bytesOf(from, to, version).copy(expected, from);
    assert.equal(expected.compare(readAsCriu(image)), 0, 'CRIU would restore other bytes');
    await engine.check(image);
    const file = open(folder, 'file');
    await engine.restore(image, file);
    assert.equal(expected.compare(fs.readFileSync(file)), 0, 'other bytes were restored');
    fs.closeSync(file);
  }
});

const written = ({ differingBytes, uncomparedBytes }: EngineReport) =>
  Number(differingBytes + uncomparedBytes);

function open(folder: string, name: string): number {
  const file = path.join(folder, name);
  const fd = fs.openSync(file, 'wx+');
  fs.unlinkSync(file);
  return fd;
}

/** No two blocks are the same, so that none can be taken for another. */
function bytesOf(from: number, to: number, version: number): Buffer {
  const words = new Uint32Array((to - from) / 4);
  for (let i = 0; i < words.length; i += 1)
    words[i] = (Math.imul(from / 4 + i, 2_654_435_761) ^ (version << 8)) | 1;
  return Buffer.from(words.buffer);
}

function headOf(size: number): Buffer {
  const owner = { uid: 0, gid: 0, mode: 0o100_600, dev: 1n, ino: 2n, atimeNs: 0n, mtimeNs: 0n };
  return encodeGhostHead({ ...owner, size: BigInt(size) });
}

/** Source: CRIU, files-reg.c, copy_file_from_chunks: each chunk goes to its offset, in the order of the image. */
function readAsCriu(image: number): Buffer {
  const bytes = Buffer.alloc(fs.fstatSync(image).size);
  fs.readSync(image, bytes, 0, bytes.length, 0);
  let at = 8;
  const next = () => {
    const length = bytes.readUInt32LE(at);
    at += 4 + length;
    return fieldsOf(bytes.subarray(at - length, at));
  };
  const file = Buffer.alloc(next().get(10) ?? 0);
  while (at < bytes.length) {
    const fields = next();
    const [length, offset] = [fields.get(1) ?? 0, fields.get(2) ?? 0];
    bytes.copy(file, offset, at, at + length);
    at += length;
  }
  assert.equal(at, bytes.length);
  return file;
}

function fieldsOf(message: Buffer): Map<number, number> {
  const reader = new BinaryReader(message);
  const fields = new Map<number, number>();
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (wire === 0) fields.set(number, Number(reader.uint64()));
    else reader.skip(wire);
  }
  return fields;
}

function anyState(pick: Random): State {
  const state: State = { size: (256 + pick(1500)) * block, data: [] };
  for (let n = pick(30); n > 0; n -= 1) state.data.push(anyData(state.size, pick));
  return state;
}

function anyData(size: number, pick: Random): Data {
  const blocks = size / block;
  const from = pick(blocks);
  const to = Math.min(blocks, from + 1 + pick(pick(2) ? 4 : 400));
  return { from: from * block, to: to * block, version: 1 + pick(50) };
}

function changed({ size, data }: State, pick: Random): State {
  const kept = data.filter(() => pick(5) > 0);
  for (let n = pick(4); n > 0; n -= 1) kept.push(anyData(size, pick));
  const now = pick(3) ? size : (256 + pick(1500)) * block;
  return { size: now, data: kept.filter(({ to }) => to <= now) };
}

/** The image is cut short, has grown, or has other bytes here and there. */
function spoil(image: number, pick: Random): void {
  const { size } = fs.fstatSync(image);
  if (pick(3) === 0) fs.ftruncateSync(image, pick(size + mebibyte));
  for (let n = pick(4); n > 0; n -= 1) {
    const bytes = Buffer.alloc(1 + pick(pick(2) ? 30 : 100_000), pick(256));
    fs.writeSync(image, bytes, 0, bytes.length, pick(size + 1));
  }
}

describe('extended attributes', () => {
  it('when extended attributes have more bytes than the caller takes, they are not read to their end', t => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-attributes-'));
    const fd = fs.openSync(path.join(folder, 'file'), 'w');
    t.after(() => {
      fs.closeSync(fd);
      fs.rmSync(folder, { recursive: true });
    });
    // tmpfs has attributes of root since Linux 3.1, those of users only since 6.6.
    const space = process.getuid?.() === 0 ? 'trusted' : 'user';
    const names = [`${space}.a`, `${space}.b`];
    for (const name of names) engine.setXattr(fd, Buffer.from(name), Buffer.alloc(1000));
    const bytes = names.join('').length + 2000;
    assert.deepEqual(Object.keys(engine.xattrs(fd, bytes)), names);
    assert.throws(() => engine.xattrs(fd, bytes - 1), { code: 'E2BIG' });
  });
});

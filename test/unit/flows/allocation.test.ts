import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allocateAgain } from '../../../src/flows/allocation.js';
import { aManifestGhost } from '../a-manifest.js';
import { errno, fakeContext, fakeFile } from '../fake-host.js';

type Ranges = { offset: number | string; length: number | string }[];

const gib = 2 ** 30;
const data = {
  bytes: 5,
  chunks: 1,
  unwritten: 0,
  imageBytes: 9,
  engine: 'seek',
  fallbacks: 0,
  ways: [],
} as const;
const ghostWith = (allocation: Ranges, values = {}) =>
  aManifestGhost({ data: { ...data, ways: [], allocation }, ...values });

function empty() {
  const context = fakeContext();
  const file = fakeFile({ mode: 0o104755 });
  const fd = context.host.files.openContent(file);
  return { context, file, fd, engine: context.host.engine, files: context.host.files };
}

describe('allocateAgain', () => {
  it('when there are ranges, each is allocated, a large one in slices with a sign of life after each', () => {
    const { context, fd, engine } = empty();
    let signs = 0;
    context.alive = () => {
      signs += 1;
    };
    const ghost = ghostWith([
      { offset: 4096, length: 8192 },
      { offset: gib, length: 2 * gib + 1 },
    ]);
    assert.deepEqual(allocateAgain(context, fd, ghost), []);
    assert.deepEqual(engine.allocated, [
      [4096n, 8192n],
      [BigInt(gib), BigInt(gib)],
      [BigInt(2 * gib), BigInt(gib)],
      [BigInt(3 * gib), 1n],
    ]);
    assert.equal(signs, 4);
  });

  it('when the ranges are hostile, none is tried', () => {
    const beyond: Ranges[] = [
      [{ offset: '9223372036854775807', length: 1 }],
      [{ offset: '99999999999999999999', length: 1 }],
      [
        { offset: 0, length: 4096 },
        { offset: 1, length: '18446744073709551615' },
      ],
    ];
    for (const ranges of beyond) {
      const { context, fd, engine } = empty();
      assert.deepEqual(allocateAgain(context, fd, ghostWith(ranges)), ['allocation (EFBIG)']);
      assert.deepEqual(engine.allocated, []);
    }
  });

  it('when less is free than all ranges want together, overlapping or not, none is tried', () => {
    const { context, fd, engine, files } = empty();
    files.free = 12288n;
    const twice = ghostWith([
      { offset: 0, length: 8192 },
      { offset: 4096, length: 8192 },
    ]);
    assert.deepEqual(allocateAgain(context, fd, twice), [
      'allocation (ENOSPC: 16 KiB are needed, 12 KiB are free)',
    ]);
    assert.deepEqual(engine.allocated, []);
    files.free = 16384n;
    assert.deepEqual(allocateAgain(context, fd, twice), []);
  });

  it('when the file system has had enough, it ends there and says how much came back', () => {
    const { context, file, fd, engine } = empty();
    let calls = 0;
    engine.allocate = () => {
      calls += 1;
      file.stat.allocated += 4096n;
      if (calls === 2) throw errno('ENOSPC');
    };
    const ranges = [0, 8192, 16384].map(offset => ({ offset, length: 8192 }));
    assert.deepEqual(allocateAgain(context, fd, ghostWith(ranges)), [
      'allocation (ENOSPC: 8 KiB of 24 KiB came back)',
    ]);
    assert.equal(calls, 2);
  });

  it('when the file system cannot, that is said and nothing more', () => {
    const { context, fd, engine } = empty();
    engine.allocate = () => {
      throw errno('EOPNOTSUPP');
    };
    const ghost = ghostWith([{ offset: 0, length: 8192 }]);
    assert.deepEqual(allocateAgain(context, fd, ghost), ['allocation (EOPNOTSUPP)']);
  });

  it('when a fault is ours, it is not swallowed', () => {
    const { context, fd, engine } = empty();
    engine.allocate = () => {
      throw new TypeError('bug');
    };
    assert.throws(() => allocateAgain(context, fd, ghostWith([{ offset: 0, length: 1 }])), TypeError);
  });

  it('when time is up, the rest is left', () => {
    const { context, fd, engine } = empty();
    let now = 0;
    context.host.clock = () => now++;
    const ranges = [0, 8192, 16384].map(offset => ({ offset, length: 4096 }));
    assert.deepEqual(allocateAgain(context, fd, ghostWith(ranges), 1), ['allocation (too slow)']);
    assert.equal(engine.allocated.length, 2);
  });

  it('when allocating cost the file its set-user-ID bit, it gets it again', () => {
    const { context, file, fd, engine, files } = empty();
    engine.allocate = () => {
      file.stat = { ...file.stat, mode: 0o100755 };
    };
    const modes: string[] = [];
    files.setMode = (_fd, mode) => void modes.push(mode.toString(8));
    allocateAgain(context, fd, ghostWith([{ offset: 0, length: 4096 }]));
    assert.deepEqual(modes, ['4755']);
  });

  it('when it is not known, that is said where less is allocated than was', () => {
    const { context, fd } = empty();
    assert.deepEqual(allocateAgain(context, fd, aManifestGhost({ allocated: 4096 })), []);
    assert.deepEqual(allocateAgain(context, fd, aManifestGhost({ allocated: 8192 })), [
      'allocation (not known)',
    ]);
  });
});

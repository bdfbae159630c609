import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AllocationRoom, allocateAgain } from '../../../../src/flows/restore/allocation.js';
import { aManifestGhost } from '../../a-manifest.js';
import { errno, fakeContext, fakeFile } from '../../fake-host.js';

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
  aManifestGhost({ data: { ...data, ways: [], allocation }, allocated: 4 * gib, ...values });
const anyRoom: AllocationRoom = { keepFree: 0n };

function empty() {
  const context = fakeContext();
  const file = fakeFile({ mode: 0o104755 });
  const fd = context.host.files.openContent(file);
  return { context, file, fd, engine: context.host.engine, files: context.host.files };
}

describe('allocateAgain', () => {
  it('when the manifest has ranges, each is allocated, a large one in slices with a call of alive() after each', () => {
    const { context, fd, engine } = empty();
    let signs = 0;
    context.alive = () => {
      signs += 1;
    };
    const ghost = ghostWith([
      { offset: 4096, length: 8192 },
      { offset: gib, length: 2 * gib + 1 },
    ]);
    assert.deepEqual(allocateAgain(context, fd, ghost, anyRoom), []);
    assert.deepEqual(engine.allocated, [
      [4096n, 8192n],
      [BigInt(gib), BigInt(gib)],
      [BigInt(2 * gib), BigInt(gib)],
      [BigInt(3 * gib), 1n],
    ]);
    assert.equal(signs, 4);
  });

  it('when the ranges of a manifest are hostile, no space is allocated', () => {
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
      assert.deepEqual(allocateAgain(context, fd, ghostWith(ranges), anyRoom), ['allocation (EFBIG)']);
      assert.deepEqual(engine.allocated, []);
    }
  });

  const two = ghostWith([
    { offset: 0, length: 8192 },
    { offset: 12288, length: 8192 },
  ]);

  it('when less space is free than all ranges need together, none is allocated', () => {
    const { context, fd, engine, files } = empty();
    files.free = 12288n;
    assert.deepEqual(allocateAgain(context, fd, two, anyRoom), [
      'allocation (ENOSPC: 16 KiB are needed, 12 KiB are free)',
    ]);
    assert.deepEqual(engine.allocated, []);
    files.free = 16384n;
    assert.deepEqual(allocateAgain(context, fd, two, anyRoom), []);
  });

  it('when no single file could have had the ranges of a manifest, no space is allocated', () => {
    const contradictions: [Ranges, number][] = [
      // The ranges have more bytes than st_blocks said.
      [[{ offset: 0, length: 8192 }], 8191],
      [[{ offset: 0, length: '18446744073709' + '55' }], 4096],
      // Two ranges share a byte, or are in an order in which no map has them.
      [
        [
          { offset: 0, length: 8192 },
          { offset: 8191, length: 8192 },
        ],
        gib,
      ],
      [
        [
          { offset: 8192, length: 4096 },
          { offset: 0, length: 4096 },
        ],
        gib,
      ],
      [[{ offset: 4096, length: 0 }], gib],
    ];
    for (const [ranges, allocated] of contradictions) {
      const { context, fd, engine } = empty();
      assert.deepEqual(allocateAgain(context, fd, ghostWith(ranges, { allocated }), anyRoom), [
        'allocation (the manifest contradicts itself)',
      ]);
      assert.deepEqual(engine.allocated, []);
    }
  });

  it('when the ranges would take the space that the host keeps free, none is allocated', () => {
    const { context, fd, engine, files } = empty();
    files.free = 16384n + 4095n;
    assert.deepEqual(allocateAgain(context, fd, two, { keepFree: 4096n }), [
      'allocation (ENOSPC: 16 KiB are needed, 20 KiB are free and 4 KiB are kept)',
    ]);
    assert.deepEqual(engine.allocated, []);
    files.free += 1n;
    assert.deepEqual(allocateAgain(context, fd, two, { keepFree: 4096n }), []);
  });

  it('when only the image asks for it, its ghosts together get at most half of the free space on each file system', () => {
    const { context, file, fd, engine, files } = empty();
    const room: AllocationRoom = { keepFree: 4096n, byImage: new Map() };
    files.free = 4096n + 2n * 16384n + 8192n;
    assert.deepEqual(allocateAgain(context, fd, two, room), []);
    files.free -= 16384n;
    assert.deepEqual(allocateAgain(context, fd, two, room), [
      'allocation (ENOSPC: 16 KiB are needed, the image alone asks for it and may take 4 KiB)',
    ]);
    assert.equal(engine.allocated.length, 2);
    file.stat = { ...file.stat, dev: file.stat.dev + 1n };
    files.free = 1n << 40n;
    assert.deepEqual(allocateAgain(context, fd, two, room), []);
  });

  it('when other programs use up the space meanwhile, the allocation ends before it takes what is kept free', () => {
    const { context, fd, engine, files } = empty();
    files.free = 65536n;
    engine.allocate = () => {
      files.free = 8192n;
    };
    assert.deepEqual(allocateAgain(context, fd, two, { keepFree: 1n }), ['allocation (ENOSPC)']);
  });

  it('when the file system does not say how much space is free, none is allocated, because a tmpfs would take all memory', () => {
    const { context, fd, engine, files } = empty();
    files.free = undefined;
    assert.deepEqual(allocateAgain(context, fd, ghostWith([{ offset: 0, length: 4096 }]), anyRoom), [
      'allocation (the file system does not say how much is free)',
    ]);
    assert.deepEqual(engine.allocated, []);
  });

  it('when the file system runs out of space, the allocation ends there and says how much came back', () => {
    const { context, file, fd, engine } = empty();
    let calls = 0;
    engine.allocate = () => {
      calls += 1;
      file.stat.allocated += 4096n;
      if (calls === 2) throw errno('ENOSPC');
    };
    const ranges = [0, 8192, 16384].map(offset => ({ offset, length: 8192 }));
    assert.deepEqual(allocateAgain(context, fd, ghostWith(ranges), anyRoom), [
      'allocation (ENOSPC: 8 KiB of 24 KiB came back)',
    ]);
    assert.equal(calls, 2);
  });

  it('when the file system cannot allocate, the result says so and nothing more', () => {
    const { context, fd, engine } = empty();
    engine.allocate = () => {
      throw errno('EOPNOTSUPP');
    };
    const ghost = ghostWith([{ offset: 0, length: 8192 }]);
    assert.deepEqual(allocateAgain(context, fd, ghost, anyRoom), ['allocation (EOPNOTSUPP)']);
  });

  it('when allocate() throws an error without an errno, that error is thrown, because it is a bug', () => {
    const { context, fd, engine } = empty();
    engine.allocate = () => {
      throw new TypeError('bug');
    };
    assert.throws(
      () => allocateAgain(context, fd, ghostWith([{ offset: 0, length: 1 }]), anyRoom),
      TypeError,
    );
  });

  it('when the time limit has passed, the remaining ranges are not allocated', () => {
    const { context, fd, engine } = empty();
    let now = 0;
    context.host.clock = () => now++;
    const ranges = [0, 8192, 16384].map(offset => ({ offset, length: 4096 }));
    assert.deepEqual(allocateAgain(context, fd, ghostWith(ranges), anyRoom, 1), ['allocation (too slow)']);
    assert.equal(engine.allocated.length, 2);
  });

  it("when allocating has removed the file's set-user-ID bit, the bit is set again", () => {
    const { context, file, fd, engine, files } = empty();
    engine.allocate = () => {
      file.stat = { ...file.stat, mode: 0o100755 };
    };
    const modes: string[] = [];
    files.setMode = (_fd, mode) => void modes.push(mode.toString(8));
    allocateAgain(context, fd, ghostWith([{ offset: 0, length: 4096 }]), anyRoom);
    assert.deepEqual(modes, ['4755']);
  });

  it('when the manifest has no list of ranges, the result says so if the file has less space than before', () => {
    const { context, fd } = empty();
    assert.deepEqual(allocateAgain(context, fd, aManifestGhost({ allocated: 4096 }), anyRoom), []);
    assert.deepEqual(allocateAgain(context, fd, aManifestGhost({ allocated: 8192 }), anyRoom), [
      'allocation (not known)',
    ]);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../src/base/units.js';
import { decodeGhostHead, encodeGhostHead, type GhostHead, isChunked } from '../../../src/criu/ghost-file.js';
import { ghostkeepError } from '../expect.js';

const head = (values: Partial<GhostHead> = {}): GhostHead => ({
  uid: 1000,
  gid: 4294967294,
  mode: 0o106755,
  dev: makeDev(8n, 17n),
  ino: (1n << 63n) + 1n,
  size: 1n << 40n,
  atimeNs: 1_700_000_000_123_456_000n,
  mtimeNs: 1_000n,
  ...values,
});
const roundTrip = (given: GhostHead) => {
  const bytes = encodeGhostHead(given);
  return decodeGhostHead(bytes, BigInt(bytes.length), 'ghost-file-1.img');
};

describe('ghost head', () => {
  it('when a head is written and read again, every field comes back', () => {
    assert.deepEqual(roundTrip(head()), head());
    assert.deepEqual(roundTrip(head({ size: (1n << 63n) - 1n })).size, (1n << 63n) - 1n);
  });

  it('when a time lies before 1970, it comes back', () => {
    for (const ns of [-1_000n, -1_000_000_000n, -6_213_559_680_000_001_000n])
      assert.equal(roundTrip(head({ mtimeNs: ns })).mtimeNs, ns);
  });

  it('when a time has nanoseconds, it is rounded down to microseconds', () => {
    assert.equal(roundTrip(head({ atimeNs: 1_999n })).atimeNs, 1_000n);
    assert.equal(roundTrip(head({ atimeNs: -1n })).atimeNs, -1_000n);
  });

  it("when a device has a large minor, CRIU's packing keeps it", () => {
    for (const [major, minor] of [
      [0n, 1048575n],
      [4095n, 256n],
      [259n, 65536n],
    ] as const)
      assert.equal(roundTrip(head({ dev: makeDev(major, minor) })).dev, makeDev(major, minor));
  });

  it('when a file is smaller than 12 KiB, it has no chunks and its size is the rest of the image', () => {
    assert.equal(isChunked(12287n), false);
    assert.equal(isChunked(12288n), true);
    const bytes = Buffer.concat([encodeGhostHead(head({ size: 5n })), Buffer.from('ghost')]);
    assert.equal(decodeGhostHead(bytes, BigInt(bytes.length), 'x').size, 5n);
  });

  it('when the head is cut off at any byte, it is refused', () => {
    const bytes = encodeGhostHead(head());
    for (let length = 0; length < bytes.length; length += 1)
      assert.throws(
        () => decodeGhostHead(bytes.subarray(0, length), BigInt(length), 'ghost-file-1.img'),
        ghostkeepError('CRIU_IMAGE_INVALID', 'ghost-file-1.img'),
      );
  });

  it('when any byte of the head is damaged, the head is refused or read, without a crash', () => {
    const bytes = encodeGhostHead(head());
    for (let at = 0; at < bytes.length; at += 1)
      for (const mask of [1, 0x80, 0xff]) {
        const wrong = Buffer.from(bytes);
        wrong[at] = (wrong[at] as number) ^ mask;
        try {
          decodeGhostHead(wrong, BigInt(wrong.length), 'ghost-file-1.img');
        } catch (error) {
          ghostkeepError('CRIU_IMAGE_INVALID', 'ghost-file-1.img')(error);
        }
      }
  });
});

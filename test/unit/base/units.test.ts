import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  countFromJson,
  countToJson,
  makeDev,
  parseDev,
  parseSize,
  parseTime,
  showBytes,
  showDev,
  showTime,
  splitDev,
} from '../../../src/base/units.js';
import { ghostkeepError } from '../expect.js';

describe('sizes', () => {
  it('when a size has a suffix, the suffix is a power of 1024', () => {
    assert.equal(parseSize('0', 'x'), 0n);
    assert.equal(parseSize(4096, 'x'), 4096n);
    assert.equal(parseSize('3K', 'x'), 3072n);
    assert.equal(parseSize('16M', 'x'), 16n << 20n);
    assert.equal(parseSize('2G', 'x'), 2n << 30n);
    assert.equal(parseSize('100m', 'x'), 100n << 20n);
    assert.equal(parseSize('8388607T', 'x'), 8388607n << 40n);
  });

  it('when a text is not a size, the error names the setting and the value', () => {
    for (const text of [
      '',
      '-1',
      '1.5G',
      '1kb',
      '1 M',
      '0x10',
      '1P',
      'M',
      '1M\n',
      '99999999999999999999',
      1e21,
    ])
      assert.throws(
        () => parseSize(text, 'limit'),
        ghostkeepError('BAD_INPUT', 'limit', JSON.stringify(text)),
      );
  });

  it('when bytes are shown, whole numbers have no decimals and others have one', () => {
    assert.equal(showBytes(0n), '0 B');
    assert.equal(showBytes(1023n), '1023 B');
    assert.equal(showBytes(1024n), '1 KiB');
    assert.equal(showBytes(1536n), '1.5 KiB');
    // A file of 300 MiB has this many bytes allocated, with a block for its extents. A row shows them beside
    // its size.
    assert.equal(showBytes((300n << 20n) + 4096n), '300 MiB');
    assert.equal(showBytes((1n << 63n) - 1n), '8 EiB');
  });
});

describe('counts in JSON', () => {
  it('when a count exceeds 2^53, it becomes a string in JSON and comes back exact', () => {
    assert.equal(countToJson(9007199254740991n), 9007199254740991);
    assert.equal(countToJson(9007199254740992n), '9007199254740992');
    for (const count of [0n, 1n, (1n << 53n) + 1n, (1n << 64n) - 1n])
      assert.equal(countFromJson(JSON.parse(JSON.stringify(countToJson(count)))), count);
  });
});

describe('times', () => {
  it('when a time lies before 1970, its nanoseconds count forward', () => {
    assert.equal(showTime(-1n), '-1.999999999');
    assert.equal(showTime(-1_000_000_000n), '-1.000000000');
    assert.equal(showTime(-1_500_000_000n), '-2.500000000');
    assert.deepEqual(parseTime('-2.500000000'), { seconds: -2n, nanoseconds: 500_000_000n });
  });

  it('when a time is shown and read again, no nanosecond is lost', () => {
    for (const ns of [0n, 1n, -1n, -999_999_999n, -1_000_000_001n, 1_700_000_000_123_456_789n, 1n << 66n]) {
      const { seconds, nanoseconds } = parseTime(showTime(ns));
      assert.equal(seconds * 1_000_000_000n + nanoseconds, ns);
    }
  });
});

describe('devices', () => {
  it('when dev_t is small, it has the classic layout', () => {
    assert.equal(makeDev(8n, 1n), 0x801n);
    assert.equal(showDev(0x801n), '8:1');
  });

  it('when major exceeds 4095 or minor 255, both survive the round trip', () => {
    for (const [major, minor] of [
      [0, 0],
      [0, 256],
      [259, 65535],
      [4095, 1048575],
      [4096, 255],
      [1048576, 4294967295],
      [4294967295, 1],
    ] as const) {
      const dev = makeDev(BigInt(major), BigInt(minor));
      assert.deepEqual(splitDev(dev), { major, minor }, `${major}:${minor}`);
      assert.equal(parseDev(showDev(dev)), dev);
    }
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pathFromText, pathToText } from '../../../../src/base/text/path-bytes.js';
import { ghostkeepError } from '../../expect.js';

const roundTrip = (bytes: Buffer) => pathFromText(JSON.parse(JSON.stringify(pathToText(bytes))));

describe('paths as text', () => {
  it('when a path is clean UTF-8, the text is the path and no bytes are added', () => {
    for (const path of ['/data/tmp', '/データ/ü', '/with space (deleted)', '/', ''])
      assert.deepEqual(pathToText(Buffer.from(path)), { path });
  });

  it('when a path is not UTF-8, the text is escaped and the bytes are kept', () => {
    const bytes = Buffer.from([0x2f, 0xff, 0xfe, 0x61]);
    assert.deepEqual(pathToText(bytes), { path: '/\\xff\\xfea', pathBytes: bytes.toString('base64') });
    assert.deepEqual(roundTrip(bytes), bytes);
  });

  it('when a path has control characters or a backslash, its text cannot be mistaken for another path', () => {
    for (const text of ['/a\nb', '/a\\x0ab', '/a\tb', '/a\u007fb']) {
      const { path, pathBytes } = pathToText(Buffer.from(text));
      assert.match(path, /^[\x20-\x7e]+$/);
      assert.equal(pathBytes, Buffer.from(text).toString('base64'));
    }
    assert.equal(pathToText(Buffer.from('/a\nb')).path, '/a\\x0ab');
    assert.equal(pathToText(Buffer.from('/a\\x0ab')).path, '/a\\x5cx0ab');
  });

  it('when a path has invisible characters or some that a terminal acts on, they are escaped', () => {
    const ranges = [
      [0x80, 0x9f],
      [0x061c, 0x061c],
      [0x200b, 0x200f],
      [0x2028, 0x202e],
      [0x2060, 0x2060],
      [0x2066, 0x2069],
      [0xfeff, 0xfeff],
    ] as const;
    for (const [first, last] of ranges) {
      for (let code = first; code <= last; code++) {
        const bytes = Buffer.from(`/a${String.fromCodePoint(code)}b`);
        assert.match(pathToText(bytes).path, /^\/a(\\x[0-9a-f]{2}){2,3}b$/, code.toString(16));
        assert.deepEqual(roundTrip(bytes), bytes);
      }
    }
  });

  it('when a path has every possible byte, it comes back byte for byte', () => {
    const bytes = Buffer.from(Array.from({ length: 255 }, (_, byte) => byte + 1));
    assert.deepEqual(roundTrip(bytes), bytes);
    // A replacement character may really be in a name and is no sign of damage.
    assert.deepEqual(roundTrip(Buffer.from('/\ufffd')), Buffer.from('/\ufffd'));
    assert.deepEqual(roundTrip(Buffer.from([0x2f, 0xed, 0xa0, 0x80])), Buffer.from([0x2f, 0xed, 0xa0, 0x80]));
  });

  it('when a text stands for no path, it is refused', () => {
    const texts = [
      { path: '/a\u0000b' },
      { path: '/a\udc80' },
      { path: '/a', pathBytes: Buffer.from('/a\0/../b').toString('base64') },
      { path: '/a', pathBytes: 'L2E=Li4v' },
      { path: '/a', pathBytes: 'L2 E=' },
      { path: '/a', pathBytes: '-_-_' },
      { path: '/a', pathBytes: 'L2F=' },
    ];
    for (const text of texts)
      assert.throws(() => pathFromText(text), ghostkeepError('BAD_INPUT'), JSON.stringify(text));
  });
});

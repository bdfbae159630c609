import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseId, showId } from '../../../../src/base/text/ghost-id.js';

describe('the id of a ghost in text', () => {
  it('an id has the digits of its image, and 0x where they could be taken for decimal ones', () => {
    assert.deepEqual([1, 9, 10, 16, 0xffffffff].map(showId), ['1', '9', '0xa', '0x10', '0xffffffff']);
  });

  it('the id that is shown is read again as the same id, and so is the name of the image', () => {
    for (const id of [1, 9, 10, 15, 16, 17, 255, 4096, 0xffffffff]) {
      const hexadecimal = id.toString(16);
      const ways = [showId(id), `ghost-${showId(id)}`, `ghost-file-${hexadecimal}`, String(id)];
      for (const way of [...ways, `images/ghost-file-${hexadecimal}.img`])
        assert.equal(parseId(way), id, way);
    }
  });

  it('an id in digits alone is decimal, and digits that can only be hexadecimal are refused without 0x', () => {
    assert.deepEqual([parseId('10'), parseId('0x10')], [10, 16]);
    for (const text of [
      'a',
      '1f',
      'ghost-a',
      '0xA',
      'ghost-file-A.img',
      'ghost-file-.img',
      '0x',
      '0x123456789',
    ])
      assert.equal(parseId(text), undefined, text);
    for (const text of ['0', '0x0', '4294967296', '-1', '1.5', '', ' 1'])
      assert.equal(parseId(text), undefined, text);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toPrintable } from '../../../../src/base/text/printable.js';

describe('toPrintable', () => {
  it('when a text is printable, it is not changed', () => {
    for (const text of ['/data/tmp', 'データ ü é …', '👍', '\\x1b', ''])
      assert.equal(toPrintable(text), text);
  });

  it('when a character is invisible or a terminal acts on it, its UTF-8 bytes are shown instead', () => {
    assert.equal(toPrintable('a\u001b[2Jb\nc\u007f'), 'a\\x1b[2Jb\\x0ac\\x7f');
    assert.equal(toPrintable('\u009b31m'), '\\xc2\\x9b31m');
    assert.equal(toPrintable('gpj\u202eexe'), 'gpj\\xe2\\x80\\xaeexe');
  });
});

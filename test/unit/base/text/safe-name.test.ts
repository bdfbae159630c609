import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { safeName, safePath } from '../../../../src/base/text/safe-name.js';

const safe = (name: string) => safeName(Buffer.from(name));

describe('safeName', () => {
  it('when a name is harmless, it stays as it is', () => {
    for (const name of ['access.log', '.hidden', 'a b', 'ü', '日本語', '😀', 'a-b', '#12345'])
      assert.equal(safe(name), name);
  });

  it('when a name is long, it is cut between characters, so that a suffix has room', () => {
    assert.equal(safe('a'.repeat(255)).length, 220);
    assert.equal(safe(`${'a'.repeat(219)}ü`), 'a'.repeat(219));
  });

  it('when names differ, they stay different', () => {
    const names = ['a\nb', 'a%0ab', 'a\\x0ab', '-a', '%2da', '.', '..', '\u202ea'];
    assert.equal(new Set(names.map(safe)).size, names.length);
  });

  it('when a path is odd, its parts are harmless and none leads up', () => {
    assert.deepEqual(safePath(Buffer.from('/a//../-b/c')), { folder: 'a/%2e./%2db', name: 'c' });
    assert.deepEqual(safePath(Buffer.from('(a path of more than 4,095 bytes)')), {
      folder: '',
      name: '(a path of more than 4,095 bytes)',
    });
    assert.deepEqual(safePath(Buffer.from('/')), { folder: '', name: 'unnamed' });
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differenceOf, layoutText, openFile } from '../../../../src/host/native/layout.js';
import { loadLibrary } from '../../../../src/host/native/load-library.js';

describe('the layout that JavaScript and the library share', () => {
  it('the layout in JavaScript is the one that the library was compiled with', () => {
    const text = Buffer.alloc(16_384);
    const read = loadLibrary().func('uint32_t gk_layout(void *, uint32_t)');
    const length = read(text, text.byteLength) as number;
    assert.equal(text.toString('latin1', 0, length), layoutText());
  });

  it('when the buffer is too short for the text, the text is cut and its whole length is returned', () => {
    const text = Buffer.alloc(16, 'x');
    const read = loadLibrary().func('uint32_t gk_layout(void *, uint32_t)');
    assert.equal(read(text, 10), layoutText().length);
    assert.equal(text.toString('latin1'), `${layoutText().slice(0, 9)}\0xxxxxx`);
    assert.equal(read(null, 0), layoutText().length);
  });

  it('when a field has moved, the difference is named', () => {
    const moved = layoutText().replace('gk_stat.ino 8 at 8\n', 'gk_stat.ino 8 at 16\n');
    assert.equal(
      differenceOf(moved),
      'it has "gk_stat.ino 8 at 16" where this program has "gk_stat.ino 8 at 8"',
    );
    assert.equal(differenceOf(layoutText()), undefined);
  });

  it('when the library has more or fewer lines, the difference is named', () => {
    assert.match(differenceOf(`${layoutText()}gk_new 8\n`) ?? '', /"gk_new 8" where this program has ""/);
    assert.match(differenceOf('') ?? '', /^it has "" where this program has "GK_MESSAGE_BYTES 240"$/);
  });

  it('the layout has three words for an open file, as the type OpenFds promises', () => {
    assert.deepEqual([openFile.words, openFile.word], [3, { fd: 0, dev: 1, ino: 2 }]);
  });
});

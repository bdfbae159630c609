import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nameFromText, nameToText } from '../../../../src/base/text/name-text.js';
import { ghostkeepError } from '../../expect.js';

describe('nameToText', () => {
  it('when a name is UTF-8, the text is the name', () => {
    for (const name of ['user.note', 'user.größe', 'user.\u{1f480}'])
      assert.equal(nameToText(Buffer.from(name)), name);
  });

  it('when a name is not UTF-8, it survives JSON byte for byte', () => {
    const names = ['ff', 'c3', '61ff62', 'c328', 'eda080', '80f09f9280'].map(hex => Buffer.from(hex, 'hex'));
    const all = names.map(nameToText);
    assert.equal(new Set(all).size, names.length);
    assert.equal(nameToText(Buffer.from('user.\xff', 'latin1')), 'user.\udcff');
    assert.deepEqual(
      (JSON.parse(Buffer.from(JSON.stringify(all)).toString()) as string[]).map(nameFromText),
      names,
    );
  });

  it('when a text stands for no name, it is refused, whatever its bytes would be', () => {
    const texts = [
      // The low byte of U+0173 is an s, and the low byte of U+0100 ends a name in C.
      '\u0173ecurity.capability\u0100\udc80',
      '\u0173ecurity.capability\udc80',
      'user.a\u0000b',
      'security.capability\u0000\udc80',
      // These bytes are UTF-8, so their name has another text.
      'user.\udcc3\udcbc',
      'user.\udc80\u00e9',
      // These surrogates stand for no byte.
      'user.\udc00',
      'user.\udd00',
      'user.\ud800',
      '',
      'u'.repeat(256),
    ];
    for (const text of texts)
      assert.throws(() => nameFromText(text), ghostkeepError('BAD_INPUT', 'no name'), JSON.stringify(text));
    assert.equal(nameFromText('u'.repeat(255)).length, 255);
  });

  it('when a text has pairs of surrogates, it is read as UTF-8', () => {
    assert.deepEqual(nameFromText('user.\u{1f480}'), Buffer.from('user.\u{1f480}'));
  });
});

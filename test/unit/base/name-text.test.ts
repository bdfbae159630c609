import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nameFromText, nameToText } from '../../../src/base/name-text.js';

describe('nameToText', () => {
  it('when a name is UTF-8, the text is the name', () => {
    for (const name of ['user.note', 'user.größe', 'user.\u{1f480}'])
      assert.equal(nameToText(Buffer.from(name)), name);
  });

  it('when it is not, JSON can hold it, and it comes back byte for byte', () => {
    const names = ['ff', 'c3', '61ff62', 'c328', 'eda080', '80f09f9280'].map(hex => Buffer.from(hex, 'hex'));
    const all = names.map(nameToText);
    assert.equal(new Set(all).size, names.length);
    assert.equal(nameToText(Buffer.from('user.\xff', 'latin1')), 'user.\udcff');
    assert.deepEqual(
      (JSON.parse(Buffer.from(JSON.stringify(all)).toString()) as string[]).map(nameFromText),
      names,
    );
  });

  it('when text has pairs of surrogates, it is UTF-8 all the same', () => {
    assert.deepEqual(nameFromText('user.\u{1f480}'), Buffer.from('user.\u{1f480}'));
  });
});

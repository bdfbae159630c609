import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nearest } from '../../../../src/base/text/nearest.js';

const known = ['scan', 'show', 'seal', 'restore', 'pre-dump'];

describe('nearest', () => {
  it('when one letter is missing, doubled, wrong or swapped, the nearest name is found', () => {
    for (const text of ['scn', 'scann', 'scam', 'sacn']) assert.equal(nearest(text, known), 'scan', text);
    assert.equal(nearest('retsoer', known), 'restore');
    assert.equal(nearest('predump', known), 'pre-dump');
  });

  it('when a third of the letters or more differ, no name is the nearest', () => {
    for (const text of ['', 'x', 'nonsense', 'sxyn', 'rest'])
      assert.equal(nearest(text, known), undefined, text);
  });
});

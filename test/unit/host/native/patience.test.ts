import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Patience } from '../../../../src/host/native/patience.js';

describe('Patience', () => {
  it('when a server was silent, other servers get less time, and this one gets the least', () => {
    const patience = new Patience();
    assert.equal(patience.waitMs(1), 2000);
    patience.note(1, false);
    assert.deepEqual([patience.waitMs(1), patience.waitMs(2)], [100, 500]);
  });

  it('when a silent server answers again, it gets the full time again', () => {
    const patience = new Patience();
    patience.note(1, false);
    patience.note(1, true);
    assert.equal(patience.waitMs(1), 2000);
  });
});

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { randomHex } from '../../../../src/host/native/random.js';

it('when a thousand names are made, all of them differ', () => {
  const names = Array.from({ length: 1000 }, () => randomHex(6));
  assert.equal(new Set(names).size, 1000);
  for (const name of names) assert.match(name, /^[0-9a-f]{12}$/);
});

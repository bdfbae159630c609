import assert from 'node:assert/strict';
import { it } from 'node:test';
import { randomHex } from '../../../../src/host/native/random.js';

it('when names are asked for, each is another', () => {
  const names = Array.from({ length: 1000 }, () => randomHex(6));
  assert.equal(new Set(names).size, 1000);
  for (const name of names) assert.match(name, /^[0-9a-f]{12}$/);
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { collectAfter } from '../../../../src/base/memory.js';
import { rehearseMany } from '../../../../src/flows/gate/rehearse.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { fakeContext } from '../../fake-host.js';

const mebibyte = 1 << 20;

describe('rehearseMany', () => {
  it('the memory that a rehearsal leaves is collected before the freeze, so that nothing is collected during it', () => {
    let collections = 0;
    // In the executable, Bun is a global of the runtime.
    Object.assign(globalThis, { Bun: { gc: () => (collections += 1) } });
    collectAfter(11 * mebibyte);
    assert.equal(collections, 0, 'so few bytes are not worth it');
    rehearseMany(fakeContext(), { images: '/img', pids: [1], policy: resolvePolicy(), criu: true }, []);
    assert.equal(collections, 1);
    collectAfter(11 * mebibyte);
    assert.equal(collections, 1, 'the count has begun anew');
    collectAfter(2 * mebibyte);
    assert.equal(collections, 2);
  });
});

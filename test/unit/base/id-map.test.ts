import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseIdMaps } from '../../../src/base/id-map.js';
import { fixture } from '../fixture.js';

const text = (name: string) => fixture(`odd-names/${name}`).toString('latin1');

describe('parseIdMaps', () => {
  it('when an id lies in one of the mapped ranges, the id in the user namespace is given', () => {
    const map = parseIdMaps({ uid: text('uid_map'), gid: text('gid_map') });
    assert.deepEqual([100000, 100999, 1000].map(map.uid), [0, 999, 1000]);
    assert.deepEqual([4294967200, 4294967294].map(map.gid), [0, 94]);
  });

  it('when an id is not mapped, the overflow id is given', () => {
    const map = parseIdMaps({ uid: text('uid_map'), gid: text('gid_map') });
    assert.deepEqual([0, 99999, 101000, 999, 1001].map(map.uid), [65534, 65534, 65534, 65534, 65534]);
    assert.deepEqual([0, 4294967295].map(map.gid), [65534, 65534]);
    assert.equal(parseIdMaps({ uid: '', gid: '' }).uid(0), 65534);
  });

  it('when there is no user namespace, ids stay as they are', () => {
    const host = parseIdMaps({ uid: '         0          0 4294967295\n', gid: '0 0 4294967295\n' });
    assert.deepEqual([0, 1000, 4294967294].map(host.uid), [0, 1000, 4294967294]);
  });
});

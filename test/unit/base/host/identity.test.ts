import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSameInode } from '../../../../src/base/host/identity.js';

const one = { dev: 1n, ino: 2n ** 60n + 1n, birthtimeNs: 5n };

describe('isSameInode', () => {
  it('when device, inode number (all 64 bits) or birth time differ, the inodes are two', () => {
    assert.equal(isSameInode(one, { ...one }), true);
    assert.equal(isSameInode(one, { ...one, dev: 2n }), false);
    assert.equal(isSameInode(one, { ...one, ino: 2n ** 60n }), false);
    assert.equal(isSameInode(one, { ...one, birthtimeNs: 6n }), false);
  });

  it('when a birth time is unknown, it is not compared', () => {
    assert.equal(isSameInode(one, { ...one, birthtimeNs: 0n }), true);
    assert.equal(isSameInode({ ...one, birthtimeNs: 0n }, one), true);
  });

  it('when a file was last changed in the tick of its birth, its birth time counts all the same', () => {
    const unlinkedAtOnce = { ...one, ctimeNs: one.birthtimeNs };
    assert.equal(isSameInode(unlinkedAtOnce, { ...one, birthtimeNs: 6n }), false);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeRow, withAdded } from '../../../../bench/report/row.js';
import { dumpTarget, mostAddedWithout } from '../../../../bench/targets.js';

const names = { suite: 'copy', case: 'dense-64m', filesystem: 'xfs', state: 'synced' };

describe('makeRow', () => {
  it('when several peers ran, the ratio is to the median of the fastest peer', () => {
    const samples = { ghostkeep: [5, 6, 100], cp: [40, 12, 11], dd: [30, 20, 10] };
    const row = makeRow({ ...names, samples, target: 0.4 });
    assert.equal(row.peer, 'cp');
    assert.deepEqual([row.oursMs, row.peerMs, row.ratio, row.target], [6, 12, 0.5, 0.4]);
    assert.deepEqual(row.ours, { ms: 6, range: [5, 100] });
    assert.deepEqual(row.peers['dd'], { ms: 20, range: [10, 30] });
    assert.equal(row.equal, true);
  });

  it('when a contender wrote wrong bytes, the row says so and names the contender', () => {
    const row = makeRow({ ...names, samples: { ghostkeep: [1], cp: [2] }, unequal: new Set(['cp']) });
    assert.equal(row.equal, false);
    assert.deepEqual(row.unequal, ['cp']);
  });

  it('when processors and memory were measured, the row has the median of the processors at work and the peak memory unchanged', () => {
    const samples = { ghostkeep: [1], cp: [2] };
    const row = makeRow({ ...names, samples, atWork: [1.2, 1.904, 1.9], peakBytes: { ghostkeep: 5 } });
    assert.deepEqual([row.atWork, row.peakBytes], [1.9, { ghostkeep: 5 }]);
    const unseen = makeRow({ ...names, samples, atWork: [], peakBytes: {} });
    assert.equal('atWork' in unseen || 'peakBytes' in unseen, false);
  });

  it('the target of a row that is a time is compared with the time that ghostkeep adds to the fastest peer', () => {
    const samples = { ghostkeep: [71.25, 70.25, 72.25], slow: [90], criu: [60.25] };
    const row = withAdded(makeRow({ ...names, samples }), mostAddedWithout(1000).total);
    assert.deepEqual([row.addedMs, row.targetMs, row.target], [{ ghostkeep: 11 }, 18, null]);
    assert.deepEqual(mostAddedWithout(0), { total: 15, frozen: 1 });
  });

  it('when our own run or every peer is missing, making a row fails and says which', () => {
    assert.throws(() => makeRow({ ...names, samples: { cp: [1] } }), /ghostkeep did not run/);
    assert.throws(() => makeRow({ ...names, samples: { ghostkeep: [1] } }), /no peer/);
  });
});

describe('dumpTarget', () => {
  it('when a pattern is of a known kind, the target is the one for the file system and the state of the cache', () => {
    assert.equal(dumpTarget('dense-1024m', 'btrfs', 'dirty'), 0.02);
    assert.equal(dumpTarget('4k-4k-256m', 'ext4', 'synced'), 0.35);
    assert.equal(dumpTarget('4k-4k-256m', 'ext4', 'dirty'), 0.4);
    assert.equal(dumpTarget('fallocated-1024m', 'tmpfs', 'synced'), undefined);
    assert.equal(dumpTarget('other', 'ext4', 'synced'), undefined);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openedAs } from '../../../../src/ghost/mounts/aufs.js';
import { parseMountinfo } from '../../../../src/host/proc/mountinfo.js';
import { fixture } from '../../fixture.js';

// The branches as Docker on Ubuntu 14.04 shows them. We had no kernel with aufs to test on.
const sysfs: Record<string, string[]> = {
  '/sys/fs/aufs/si_3caaf9fe6c8a1d3b': ['br0', 'br1'].map(name => fixture(`aufs/sysfs/${name}`).toString()),
};
const mounts = parseMountinfo(fixture('aufs/mountinfo'), folder => sysfs[folder] ?? []);
const mount = (id: number) => {
  const found = mounts.find(candidate => candidate.id === id);
  assert.ok(found);
  return found;
};
const branches = (id: number) => mount(id).branches?.map(String);
const nameOf = (id: number, path: string) => String(openedAs(Buffer.from(path), mount(id)));

describe('aufs', () => {
  it('when the branches are in sysfs, they are read from there', () =>
    assert.deepEqual(branches(95), ['/var/lib/docker/aufs/diff/11aa', '/var/lib/docker/aufs/diff/22bb']));

  it('when the mount options list the branches, a path may have spaces and equals signs', () =>
    assert.deepEqual(branches(96), ['/srv/a b', '/srv/c=d']));

  it('when sysfs has no branches, the list is empty; another file system has no list at all', () => {
    assert.deepEqual(branches(97), []);
    assert.equal(branches(98), undefined);
  });

  it('when /proc shows a mapped file by its path in a branch, the file gets the path by which it was opened', () => {
    assert.equal(nameOf(95, '/var/lib/docker/aufs/diff/22bb/usr/lib/libc.so'), '/usr/lib/libc.so');
    assert.equal(nameOf(96, '/srv/c=d/file'), '/mnt/union/file');
  });

  it('when a path is in no branch, it stays as it is', () => {
    assert.equal(nameOf(95, '/usr/lib/libc.so'), '/usr/lib/libc.so');
    assert.equal(nameOf(95, '/var/lib/docker/aufs/diff/11aaa/x'), '/var/lib/docker/aufs/diff/11aaa/x');
    assert.equal(nameOf(97, '/anything'), '/anything');
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LocalMounts } from '../../../../src/host/proc/local-mounts.js';
import { parseMountinfo } from '../../../../src/host/proc/mountinfo.js';

const line = (id: number, point: string, type: string, options = 'rw') =>
  `${id} 1 0:${id} / ${point} rw - ${type} x ${options}\n`;
const overlay = (lower: string, upper = '/var/up') =>
  line(100, '/', 'overlay', `rw,lowerdir=${lower},upperdir=${upper},workdir=/var/work`);

/** Process 1 is our own, and process 2 is in a container. */
function local(own: string, inside: string): LocalMounts {
  const tables = [parseMountinfo(Buffer.from(own)), parseMountinfo(Buffer.from(inside))];
  const reader = {
    mounts: (pid: number) => tables[pid - 1] ?? [],
    mountNamespace: (pid: number) => `mnt:[${pid}]`,
    readLink: () => Buffer.from('/'),
    self: () => 1,
  };
  return new LocalMounts(reader, [2]);
}

describe('LocalMounts', () => {
  const disk = line(1, '/', 'ext4');
  const own = disk + line(2, '/far', 'fuse.gk') + line(3, '/far/near', 'tmpfs');

  it('when a mount may have a server behind it, or its file system is unknown, it is not local', () => {
    const mounts = disk + line(2, '/n', 'nfs4') + line(3, '/u', 'new') + line(4, '/proc', 'proc');
    assert.deepEqual([...local(disk, mounts).ids], [1n, 4n]);
  });

  it("when a layer of an overlay is on a server, by our own or the process's mounts, the overlay is not local", () => {
    const isLocal = (lower: string, upper?: string, inside = '') =>
      local(own, overlay(lower, upper) + inside).has(100);
    assert.equal(isLocal('/var/a:/var/b'), true);
    assert.equal(isLocal('/var/a:/far/b'), false);
    assert.equal(isLocal('/var/a', '/far/up'), false);
    assert.equal(isLocal('/far/near/a:/farther'), true);
    assert.equal(isLocal('/mnt/a', '/var/up', line(5, '/mnt', 'nfs')), false);
  });

  it('when a layer has a relative path, the overlay is local only where there is no server at all', () => {
    assert.equal(local(own, overlay('12/fs:11/fs')).has(100), false);
    assert.equal(local(disk, overlay('12/fs:11/fs')).has(100), true);
  });

  it('when the mounts of a namespace are too long, they are read once, and nothing there is local', () => {
    let reads = 0;
    const reader = {
      mounts: (pid: number) => {
        if (pid === 1) return parseMountinfo(Buffer.from(disk));
        reads += 1;
        throw Object.assign(new Error('EFBIG'), { code: 'EFBIG' });
      },
      mountNamespace: (pid: number) => `mnt:[${Math.min(pid, 2)}]`,
      readLink: () => Buffer.from('/'),
      self: () => 1,
    };
    assert.deepEqual([...new LocalMounts(reader, [2, 3, 4]).ids, reads], [1]);
  });

  it('when layers have odd names, they are split correctly', () => {
    assert.equal(local(own, overlay('/var/a\\134:/far/b')).has(100), true);
    assert.equal(local(own, overlay('/var/a\\054lowerdir=/far')).has(100), true);
    assert.equal(
      local(own, line(100, '/', 'overlay', 'ro,lowerdir+=/var/a,datadir+=/far/b')).has(100),
      false,
    );
  });

  it('when a path leads over mounts of servers, the outer mounts come first', () => {
    const mounts = local(disk, `${disk}${line(6, '/far/in', 'nfs')}${line(2, '/far', 'fuse.gk')}`);
    const on = (path: string) => mounts.serversOn(2, Buffer.from(path)).map(({ id }) => id);
    assert.deepEqual([on('/far/in/x'), on('/far'), on('/farther'), on('/')], [[2, 6], [2], [], []]);
  });
});

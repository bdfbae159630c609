import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { keysOf, toRecord } from '../../../../src/ghost/ghost.js';
import { type FakeProcess, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

const dev = makeDev(0n, 47n);
const shm = (values: object = {}) =>
  fakeMount(40, { dev, filesystem: 'tmpfs', mountPoint: Buffer.from('/dev/shm'), parent: 30, ...values });
const file = (values: object = {}) => fakeFile({ dev, nlink: 1, ...values });
const held = (values: object = {}, name = '/dev/shm/held') => opened(file(values), name, { mount: 40 });

interface Machine {
  mounts?: ReturnType<typeof fakeMount>[];
  /** The mounts of the host. */
  ours?: ReturnType<typeof fakeMount>[];
  named?: boolean;
  /** The lines of /proc/PID/net/unix. */
  sockets?: string;
}

function find(
  process: FakeProcess,
  { mounts = [shm()], ours = [shm({ id: 9 })], named = true, sockets = '' }: Machine = {},
) {
  const { processes } = fakeHost();
  processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts: ours });
  processes.add(100, { mounts: [fakeMount(30), ...mounts], ...process });
  processes.sockets.set(100, sockets);
  return findGhosts(processes, [100], undefined, { named });
}
const paths = (found: ReturnType<typeof find>) => found.named.map(({ mounts: [mount] }) => `${mount?.names}`);

describe('named files on /dev/shm', () => {
  it('an open file that has its name is found, where the host has the same tmpfs mounted as well', () => {
    const found = find({ fds: { 3: held() } });
    assert.deepEqual(paths(found), ['/dev/shm/held']);
    assert.deepEqual(found.ghosts, []);
    assert.deepEqual(found.named.map(toRecord)[0]?.key, []);
  });

  it('a file that is only mapped is found, once for all that hold it', () => {
    const one = held();
    const maps = ['1000-2000', '2000-3000'].map(address => ({ address, opened: one }));
    const [found, ...others] = find({ maps, fds: { 3: one, 4: one } }).named;
    assert.deepEqual(others, []);
    assert.deepEqual(found?.holders.map(({ link }) => link).slice(0, 2), ['fd/3', 'fd/4']);
    assert.equal(find({ maps }).named.length, 1);
  });

  it('a file is left to CRIU where CRIU keeps the content of its mount, or nobody asks for such files', () => {
    const fds = { 3: held() };
    assert.deepEqual(paths(find({ fds }, { ours: [] })), [], 'the tmpfs belongs to the container alone');
    assert.deepEqual(paths(find({ fds }, { ours: [shm()] })), [], 'it is the mount of the host itself');
    assert.deepEqual(paths(find({ fds }, { named: false })), []);
  });

  it('a file on another file system, on another mount point or below another mount is not found', () => {
    const fds = { 3: held() };
    for (const values of [{ filesystem: 'ext4' }, { mountPoint: Buffer.from('/dev') }])
      assert.deepEqual(paths(find({ fds }, { mounts: [shm(values)] })), []);
    assert.deepEqual(paths(find({ fds }, { mounts: [shm(), shm({ id: 41, parent: 40, dev: 1n })] })), []);
  });

  it('/dev/shm itself, open or as a working directory, is there in every pod, and is not found', () => {
    const root = held({ mode: 0o041777 }, '/dev/shm');
    const found = find({ fds: { 3: root }, cwd: root });
    assert.deepEqual([found.named, found.lost], [[], []]);
  });

  it('a folder, a FIFO, and a name that says deleted cannot be copied, and a file without a name is a ghost', () => {
    for (const [mode, why] of [
      [0o040755, /folder is not there/],
      [0o010644, /a FIFO/],
    ] as const) {
      const found = find({ fds: { 3: held({ mode }) } });
      assert.deepEqual(paths(found), []);
      assert.match(found.lost.map(({ why }) => why).join(), why);
      assert.deepEqual(find({ fds: { 3: held({ mode }) } }, { ours: [] }).lost, []);
    }
    const live = file();
    const name = '/dev/shm/x (deleted)';
    const odd = { fds: { 3: opened(live, name, { mount: 40 }) }, inRoot: { [name]: live } };
    assert.deepEqual(paths(find(odd)), []);
    assert.deepEqual(
      find(odd).lost.map(({ why }) => why),
      ['its name ends with " (deleted)", which CRIU cuts off'],
    );
    const gone = find({ fds: { 3: held({ nlink: 0 }, name) } });
    assert.deepEqual(
      [gone.named.length, gone.ghosts.map(ghost => `${ghost.class} ${keysOf(ghost)}`)],
      [0, ['unlinked file[28:1267]']],
    );
  });

  it('a file with several names gets all of them, the opened one first', () => {
    const one = file({ nlink: 2 });
    const inRoot = { '/dev/shm/a': one, '/dev/shm/held': one };
    const found = find({ fds: { 3: opened(one, '/dev/shm/held', { mount: 40 }) }, inRoot });
    assert.deepEqual(paths(found), ['/dev/shm/held,/dev/shm/a']);
  });

  it('a file that another process has by a name that is gone comes back as that ghost, and only once', () => {
    const one = file({ nlink: 1 });
    const fds = {
      3: opened(one, '/dev/shm/sem.tmp (deleted)', { mount: 40 }),
      4: opened(one, '/dev/shm/sem.x', { mount: 40 }),
    };
    const found = find({ fds, inRoot: { '/dev/shm/sem.x': one } });
    assert.deepEqual([found.named.length, found.ghosts.map(ghost => ghost.class)], [0, ['linked']]);
  });

  it('a descriptor that cannot be looked at is passed over, and fails nothing', () => {
    const found = find({ fds: { 3: held(), 4: held({ ino: 2n }) }, fails: { 'fdInfo fd/3': 'ENOENT' } });
    assert.deepEqual(
      found.named.map(({ stat }) => stat.ino),
      [2n],
    );
    assert.deepEqual(found.unseen, []);
  });

  it('a file that is also open through another mount of the tmpfs is not copied, because that mount may be another one', () => {
    const one = file();
    const fds = {
      3: opened(one, '/dev/shm/held', { mount: 40 }),
      4: opened(one, '/cache/held', { mount: 41 }),
    };
    const found = find(
      { fds },
      { mounts: [shm(), shm({ id: 41, mountPoint: Buffer.from('/cache'), parent: 30 })] },
    );
    assert.deepEqual(
      found.lost.map(({ why }) => why),
      ['it is open through /cache as well as /dev/shm'],
    );
    assert.deepEqual(found.named, []);
  });

  it('a socket that is bound in a folder cannot come back, and one in /dev/shm itself, or unbound, can', () => {
    const line = (ino: number, path: string) => `0000: 00000002 00000000 00010000 0001 01 ${ino} ${path}\n`;
    const socket = fakeFile({ dev, nlink: 1, mode: 0o140755 });
    const elsewhere = fakeFile({ dev: 1n, nlink: 1, mode: 0o140755 });
    const inRoot = {
      '/dev/shm/a/b': socket,
      '/dev/shm/c': socket,
      '/dev/shm/sub/d': elsewhere,
      '/dev/shm/x/others': socket,
    };
    const sockets = [
      line(5, '/dev/shm/a/b'),
      line(6, '/dev/shm/c'),
      line(7, '/dev/shm/sub/d'),
      line(8, '/dev/shm/was/removed'),
      line(99, '/dev/shm/x/others'),
    ].join('');
    const fdInfo = Object.fromEntries([5, 6, 7, 8, 9].map(fd => [fd, '']));
    const lostOf = (machine: Machine, table: string) =>
      find({ fds: {}, fdInfo, inRoot }, { ...machine, sockets: table }).lost.map(
        ({ path, folder, holder, why }) => `${path} ${folder} ${holder?.fd} ${why}`,
      );
    const why = 'a socket is bound in a folder that is not there in another pod';
    assert.deepEqual(lostOf({}, sockets), [`/dev/shm/a/b /dev/shm/a 5 ${why}`]);
    assert.deepEqual(lostOf({}, ''), []);
    assert.deepEqual(lostOf({ ours: [] }, sockets), []);
    assert.deepEqual(lostOf({ named: false }, sockets), []);
  });
});

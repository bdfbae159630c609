import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { lostForGood } from '../../../../src/flows/choose/shared-shm.js';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { keysOf, toRecord } from '../../../../src/ghost/ghost.js';
import { errno, type FakeProcess, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

const dev = makeDev(0n, 47n);
const slash = Buffer.from('/');
const shm = (values: object = {}) =>
  fakeMount(40, {
    dev,
    filesystem: 'tmpfs',
    mountPoint: Buffer.from('/dev/shm'),
    root: slash,
    parent: 30,
    ...values,
  });
/** The mount by which the host shows the /dev/shm of the pod. */
const pods = (values: object = {}) => shm({ id: 9, mountPoint: Buffer.from('/run/pod/shm'), ...values });
const file = (values: object = {}) => fakeFile({ dev, nlink: 1, ...values });
const held = (values: object = {}, name = '/dev/shm/held') => opened(file(values), name, { mount: 40 });

interface Machine {
  mounts?: ReturnType<typeof fakeMount>[];
  /** The mounts of the host. */
  ours?: ReturnType<typeof fakeMount>[];
  named?: boolean;
  /** The files that the host has in /run/pod/shm. */
  onPod?: Record<string, ReturnType<typeof fakeFile>>;
  /** The process ends when its namespace has been asked for this often. */
  last?: number;
}

function find(
  process: FakeProcess,
  { mounts = [shm()], ours = [shm({ id: 9 })], named = true, onPod = {}, last = Infinity }: Machine = {},
) {
  const { processes } = fakeHost();
  const root = fakeFile({ dev, ino: 1n, mode: 0o041777 });
  const inRoot = { '/dev/shm': root, '/run/pod/shm': root, ...onPod };
  processes.add(processes.self(), { namespace: 'mnt:[1]', parent: 1, mounts: ours, inRoot });
  processes.add(100, { mounts: [fakeMount(30), ...mounts], ...process });
  const { mountNamespace } = processes;
  let asked = 0;
  processes.mountNamespace = pid => {
    if (pid === 100 && asked++ >= last) throw errno('ENOENT', '/proc/100/ns/mnt');
    return mountNamespace(pid);
  };
  return findGhosts(processes, [100], undefined, { named });
}
const paths = (found: ReturnType<typeof find>) => found.named.map(({ mounts: [mount] }) => `${mount?.names}`);

describe('named files on /dev/shm', () => {
  it('an open file that has its name is found where the host has the same /dev/shm mounted as well', () => {
    const found = find({ fds: { 3: held() } });
    assert.deepEqual(paths(found), ['/dev/shm/held']);
    assert.deepEqual(found.ghosts, []);
    assert.deepEqual(found.named.map(toRecord)[0]?.key, []);
  });

  it('a named file that is only mapped is found, once for all that hold it', () => {
    const one = held();
    const maps = ['1000-2000', '2000-3000'].map(address => ({ address, opened: one }));
    const [found, ...others] = find({ maps, fds: { 3: one, 4: one } }).named;
    assert.deepEqual(others, []);
    assert.deepEqual(found?.holders.map(({ link }) => link).slice(0, 2), ['fd/3', 'fd/4']);
    assert.equal(find({ maps }).named.length, 1);
    assert.equal(find({ maps, fails: { fds: 'EACCES' } }).named.length, 1, 'the descriptors are refused');
  });

  it('a named file is left to CRIU where CRIU keeps the content of its mount, or the caller asks for no named files', () => {
    const fds = { 3: held() };
    assert.deepEqual(paths(find({ fds }, { ours: [] })), [], 'the tmpfs belongs to the container alone');
    assert.deepEqual(paths(find({ fds }, { ours: [shm()] })), [], 'it is the mount of the host itself');
    assert.deepEqual(paths(find({ fds }, { named: false })), []);
  });

  it('a named file on another file system, on another mount point or below another mount is not found', () => {
    const fds = { 3: held() };
    for (const values of [{ filesystem: 'ext4' }, { mountPoint: Buffer.from('/dev') }])
      assert.deepEqual(paths(find({ fds }, { mounts: [shm(values)] })), []);
    assert.deepEqual(paths(find({ fds }, { mounts: [shm(), shm({ id: 41, parent: 40, dev: 1n })] })), []);
  });

  it('/dev/shm itself, open or as a working directory, does not count: it is there in every pod', () => {
    const root = held({ mode: 0o041777 }, '/dev/shm');
    const found = find({ fds: { 3: root }, cwd: root });
    assert.deepEqual([found.named, found.lost], [[], []]);
  });

  it('a folder, a FIFO and a live name that ends in " (deleted)" on /dev/shm cannot be copied; a file without a name is a ghost', () => {
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

  it('a named file with several names gets all of them, the opened one first', () => {
    const one = file({ nlink: 2 });
    const inRoot = { '/dev/shm/a': one, '/dev/shm/held': one };
    const found = find({ fds: { 3: opened(one, '/dev/shm/held', { mount: 40 }) }, inRoot });
    assert.deepEqual(paths(found), ['/dev/shm/held,/dev/shm/a']);
  });

  it('a file on /dev/shm that is also open by a name that is gone comes back once, as a linked ghost', () => {
    const one = file({ nlink: 1 });
    const fds = {
      3: opened(one, '/dev/shm/sem.tmp (deleted)', { mount: 40 }),
      4: opened(one, '/dev/shm/sem.x', { mount: 40 }),
    };
    const found = find({ fds, inRoot: { '/dev/shm/sem.x': one } });
    assert.deepEqual([found.named.length, found.ghosts.map(ghost => ghost.class)], [0, ['linked']]);
  });

  it('a descriptor that cannot be looked at is passed over in the search for named files, and fails nothing', () => {
    const found = find({ fds: { 3: held(), 4: held({ ino: 2n }) }, fails: { 'fdInfo fd/3': 'ENOENT' } });
    assert.deepEqual(
      found.named.map(({ stat }) => stat.ino),
      [2n],
    );
    assert.deepEqual(found.unseen, []);
  });

  it('a named file that is also open through another mount of the tmpfs is not copied, because that mount may be another one', () => {
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

  it('a socket bound in a folder of /dev/shm cannot come back; one bound in /dev/shm itself, or unbound, can', () => {
    const socket = (values: object = {}) => fakeFile({ dev, nlink: 1, mode: 0o140755, ...values });
    const at = (name: string, values: object = {}) => opened(socket(values), name);
    const bound = {
      5: at('/dev/shm/a/b'),
      6: at('/dev/shm/c'),
      7: at('/dev/shm/sub/d', { dev: 1n }),
      8: at('/dev/shm/was/removed (deleted)', { nlink: 0 }),
      9: at('/cache/a/b'),
    };
    const fdInfo = Object.fromEntries([4, 5, 6, 7, 8, 9, 10].map(fd => [fd, '']));
    const lostOf = (process: FakeProcess, machine: Machine = {}) =>
      find({ fds: {}, fdInfo, bound, ...process }, machine).lost.map(
        ({ path, folder, holder, why }) => `${path} ${folder} ${holder?.fd} ${why}`,
      );
    const b = '/dev/shm/a/b /dev/shm/a 5 a socket is bound in a folder that is not there in another pod';
    assert.deepEqual(lostOf({}), [b]);
    assert.deepEqual(lostOf({ bound: {} }), []);
    assert.deepEqual(lostOf({}, { ours: [] }), []);
    assert.deepEqual(lostOf({}, { named: false }), []);
    const gone = { 'boundAt 4': 'EBADF', 'boundAt 10': 'ESRCH' };
    assert.deepEqual(lostOf({ fails: gone }), [b], 'one descriptor that is gone hides no other');
    const [, refused = '', ...others] = lostOf({ fails: { 'boundAt 4': 'EPERM' } });
    assert.match(refused, /^\/dev\/shm undefined 4 it is not known which file there .*EPERM/);
    assert.deepEqual(others, []);
  });

  it('a watch of inotify or fanotify on /dev/shm cannot come back, unless its file or /dev/shm itself does', () => {
    const line = (ino: number, sdev = '2f') => `inotify wd:1 ino:${ino.toString(16)} sdev:${sdev} mask:2\n`;
    const lostOf = (info: string, machine: Machine = {}) =>
      find({ fds: { 3: held({ ino: 20n }) }, fdInfo: { 5: info, 6: '' } }, machine).lost.map(
        ({ path, stat, holder, why }) => `${path} ${stat.ino} ${holder?.fd} ${why}`,
      );
    const lost = ['/dev/shm 31 5 it watches inode 31, which is not there in another pod'];
    assert.deepEqual(lostOf(line(20) + line(31) + line(1)), lost);
    assert.deepEqual(lostOf('fanotify flags:0\nfanotify ino:1f sdev:2f mflags:0 mask:1\n'), lost);
    assert.deepEqual(lostOf('fanotify flags:0\nfanotify mnt_id:40 mflags:0\n'), []);
    assert.deepEqual(lostOf(line(31, '30') + line(31, '80002f')), [], 'other file systems');
    assert.deepEqual(lostOf(line(31), { ours: [] }), []);
    assert.deepEqual(lostOf(line(31), { named: false }), []);
    const root = Buffer.from('/sub');
    assert.equal(lostOf(line(1), { mounts: [shm({ root })] }).length, 1, 'a folder of ours is theirs');
    assert.match(lostOf(`inotify ${'x'.repeat(16 << 20)}`).join(), /too many watches/);
  });

  it("a watch on a folder of /dev/shm is reported by the folder's name, and not at all if a file in the folder comes back", () => {
    const fdInfo = { 5: `inotify wd:1 ino:1f sdev:2f mask:2\n` };
    const onPod = { '/run/pod/shm/d': fakeFile({ dev, ino: 31n, mode: 0o040750 }) };
    const found = find({ fds: { 3: held({}, '/dev/shm/d/f') }, fdInfo }, { ours: [pods()], onPod });
    assert.deepEqual(
      found.lost.map(({ path, folder }) => `${path} ${folder}`),
      ['/dev/shm/d /dev/shm/d'],
    );
    assert.deepEqual(lostForGood(found), []);
    const alone = find({ fdInfo }, { ours: [pods()], onPod });
    assert.deepEqual(
      lostForGood(alone).map(({ path }) => `${path}`),
      ['/dev/shm/d'],
    );
  });

  it('files on the /dev/shm of a pod that nobody holds are found, without sockets and without /dev/shm itself', () => {
    const onPod = {
      '/run/pod/shm/held': file(),
      '/run/pod/shm/sem.closed': file({ ino: 7n }),
      '/run/pod/shm/d': file({ ino: 8n, mode: 0o040750 }),
      '/run/pod/shm/d/f': file({ ino: 9n }),
      '/run/pod/shm/fifo': file({ ino: 10n, mode: 0o010600 }),
      '/run/pod/shm/socket': file({ ino: 11n, mode: 0o140755 }),
      '/run/pod/shm/refused': file({ ino: 12n, mode: 0o040750 }),
    };
    const closedOf = (machine: Machine) => {
      const fds = { 3: held(), 4: held({ ino: 12n, mode: 0o040750 }, '/dev/shm/refused') };
      const { files, complete } = find({ fds }, { onPod, ...machine }).closed;
      return [...files.map(({ path }) => `${path}`), complete ? 'all' : 'and perhaps more'];
    };
    const names = ['/dev/shm/sem.closed', '/dev/shm/d', '/dev/shm/d/f', '/dev/shm/fifo', 'all'];
    assert.deepEqual(closedOf({ ours: [pods()] }), names);
    assert.deepEqual(closedOf({ ours: [pods()], named: false }), ['all']);
    assert.deepEqual(closedOf({ ours: [] }), ['all'], 'the tmpfs belongs to the container alone');
    assert.deepEqual(closedOf({ ours: [pods(), shm({ id: 8 })] }), ['all'], "it is the host's own /dev/shm");
    const above = shm({ id: 41, parent: 40, dev: 1n });
    assert.deepEqual(closedOf({ ours: [pods()], mounts: [shm(), above] }), ['all'], 'it is hidden');
    const part = [shm({ root: Buffer.from('/d') })];
    assert.deepEqual(
      closedOf({ ours: [pods()], mounts: part }),
      ['/dev/shm/f', 'all'],
      'a folder of the pod',
    );
    const elsewhere = [pods({ root: Buffer.from('/other') })];
    assert.deepEqual(closedOf({ ours: elsewhere }), ['and perhaps more'], 'we do not see it');
    const hidden = { '/run/pod/shm': fakeFile({ dev: 1n }) };
    assert.deepEqual(
      closedOf({ ours: [pods()], onPod: hidden }),
      ['and perhaps more'],
      'it is hidden on the host',
    );
    const many = Object.fromEntries(
      Array.from({ length: 5000 }, (_, at) => [`/run/pod/shm/${at}`, file({ ino: BigInt(at + 100) })]),
    );
    assert.deepEqual(closedOf({ ours: [pods()], onPod: many }).at(-1), 'and perhaps more');
  });

  it('when a process ends at any step, the search for named files goes on', () => {
    for (let last = 0; last < 8; last += 1) {
      const found = find({ fds: { 3: held() }, bound: {}, fdInfo: { 4: '' } }, { ours: [pods()], last });
      assert.ok(Array.isArray(found.closed.files), String(last));
    }
  });

  it('a named file of which not all names are found cannot come back, because it may be open by another name', () => {
    const one = file({ nlink: 2 });
    const fds = { 3: opened(one, '/dev/shm/held', { mount: 40 }) };
    const found = find({ fds, fails: { namesOf: 'EIO' } });
    assert.deepEqual(paths(found), []);
    assert.match(found.lost.map(({ why }) => why).join(), /^not all of its 2 names were found/);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDev } from '../../../../src/base/units.js';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { type Ghost, keysOf, toRecord } from '../../../../src/ghost/ghost.js';
import { errno, type FakeProcess, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

/** Searches one process, with PID 100. */
function findIn(process: FakeProcess) {
  const { processes } = fakeHost();
  processes.add(100, process);
  return findGhosts(processes, [100]);
}
const summary = ({ ghosts }: { ghosts: Ghost[] }) =>
  ghosts.map(({ class: kind, keep }) => `${kind}: ${keep}`);
const deleted = '/data/tmp (deleted)';

describe('findGhosts', () => {
  it('when a descriptor holds an unlinked file, everything about it is recorded', () => {
    const file = fakeFile({ ino: 0x1267n, size: (1n << 53n) + 1n, allocated: 8192n });
    const { ghosts, unseen } = findIn({
      fds: { 3: opened(file, deleted, { flags: 0o100001, position: 7n }) },
    });
    assert.deepEqual(unseen, []);
    assert.deepEqual(ghosts.map(toRecord), [
      {
        class: 'unlinked',
        path: '/data/tmp',
        dev: '8:1',
        ino: 0x1267,
        size: '9007199254740993',
        allocated: 8192,
        nlink: 0,
        filesystem: 'ext4',
        mounts: [30],
        key: ['file[1e:1267]'],
        holders: [{ pid: 100, via: 'fd', fd: 3, flags: 0o100001, position: 7, writable: true, shared: true }],
      },
    ]);
    assert.equal(ghosts[0]?.keep, 'ghostkeep');
  });

  it('when a server has given an inode number out again, two births are two ghosts and CRIU keeps both', () => {
    const old = opened(fakeFile({ birthtimeNs: 1n }), deleted);
    const young = opened(fakeFile({ birthtimeNs: 2n, content: Buffer.from('other') }), '/data/new (deleted)');
    const found = findIn({ fds: { 3: old, 4: young, 5: old } });
    assert.deepEqual(
      found.ghosts.map(ghost => ghost.holders.map(({ fd }) => fd)),
      [[3, 5], [4]],
    );
    assert.deepEqual(summary(found), ['unlinked: criu', 'unlinked: criu']);
  });

  for (const unread of ['maps', 'mounts'] as const)
    it(`when the ${unread} of a process are too long, scan says so, and a search for named files fails`, () => {
      const { processes } = fakeHost();
      processes.add(100, { fds: { 3: opened(fakeFile(), deleted) } });
      processes[unread] = () => {
        throw errno('EFBIG', unread);
      };
      const { unseen } = findGhosts(processes, [100]);
      assert.match(unseen.map(({ why }) => why).join(), /EFBIG/);
      assert.throws(() => findGhosts(processes, [100], undefined, { named: true }), /EFBIG/);
    });

  it('when the mounts of a process are too long, they are not read again for each of its ghosts', () => {
    const { processes } = fakeHost();
    const fds = Array.from({ length: 50 }, (_, fd) => [
      fd,
      opened(fakeFile({ ino: BigInt(fd + 1) }), deleted),
    ]);
    processes.add(100, { fds: Object.fromEntries(fds) });
    let reads = 0;
    processes.mounts = () => {
      reads += 1;
      throw errno('EFBIG', 'mountinfo');
    };
    assert.ok(findGhosts(processes, [100]).unseen.length > 0);
    assert.ok(reads < 5, `${reads} reads`);
  });

  it('when two files lost their names in the ticks of their births, one number of both is two ghosts', () => {
    const old = opened(fakeFile({ birthtimeNs: 1n, ctimeNs: 1n }), deleted);
    const young = opened(fakeFile({ birthtimeNs: 2n, ctimeNs: 2n }), '/data/new (deleted)');
    const { ghosts } = findIn({ fds: { 3: old, 4: young } });
    assert.deepEqual(
      ghosts.map(ghost => ghost.holders.map(({ fd }) => fd)),
      [[3], [4]],
    );
  });

  it('when many holders have the same inode, it is one ghost with all holders and with a key for each mount', () => {
    const { processes } = fakeHost();
    const file = fakeFile();
    const through = (mount: number, name = deleted) => opened(file, name, { mount });
    const mounts = [fakeMount(30), fakeMount(31, { filesystem: 'ext4' })];
    processes.add(100, {
      mounts,
      fds: { 3: through(30), 4: opened(file, deleted, { flags: 0o100000 }) },
      maps: [
        { address: '1000-2000', opened: through(30), shared: false, writable: false },
        { address: '2000-3000', opened: through(30) },
      ],
      exe: through(30),
    });
    processes.add(200, { mounts, fds: { 5: through(31, '/other/tmp (deleted)') } });
    const { ghosts } = findGhosts(processes, [100, 200]);
    assert.equal(ghosts.length, 1);
    const [ghost] = ghosts as [Ghost];
    assert.deepEqual(keysOf(ghost), ['file[1e:1267]', 'file[1f:1267]']);
    assert.deepEqual(
      ghost.mounts.map(({ path }) => String(path)),
      ['/data/tmp', '/other/tmp'],
    );
    assert.deepEqual(
      ghost.holders.map(({ pid, link, writable, shared }) => [pid, link, writable, shared]),
      [
        [100, 'fd/3', true, true],
        [100, 'fd/4', false, true],
        [100, 'map_files/1000-2000', false, false],
        [100, 'map_files/2000-3000', true, true],
        [100, 'exe', false, true],
        [200, 'fd/5', true, true],
      ],
    );
    assert.equal(ghost.keep, 'ghostkeep');
  });

  it('when only a mapping holds a file (a library that was extracted, mapped and deleted), it is found', () => {
    const found = findIn({
      maps: [{ address: '1000-2000', opened: opened(fakeFile(), '/tmp/libjni.so (deleted)') }],
    });
    assert.deepEqual(summary(found), ['unlinked: ghostkeep']);
    assert.deepEqual(found.ghosts[0] && keysOf(found.ghosts[0]), ['file[1e:1267]']);
  });

  it('when a ghost is a directory, a FIFO or a device, CRIU keeps it', () => {
    const at = (mode: number) => opened(fakeFile({ mode, ino: BigInt(mode) }), '/d (deleted)');
    const found = findIn({ cwd: at(0o40755), fds: { 3: at(0o10644), 4: at(0o20644) } });
    assert.deepEqual(summary(found), ['unlinked: criu', 'unlinked: criu', 'unlinked: criu']);
    assert.deepEqual(
      found.ghosts.map(({ why }) => why.split(':')[0]),
      ['a FIFO', 'a character device', 'a directory'],
    );
  });

  it('when a file is a socket, an event descriptor or another anonymous inode, it is no ghost', () => {
    const found = findIn({
      fds: {
        3: opened(fakeFile({ mode: 0o140777, nlink: 1 }), 'socket:[1]'),
        4: opened(fakeFile({ mode: 0o600, nlink: 0 }), 'anon_inode:[eventfd]'),
      },
    });
    assert.deepEqual(found.ghosts, []);
  });

  it('when a file never had a name in a file system, CRIU keeps it', () => {
    const names = [
      '/memfd:x (deleted)',
      '/SYSV00000000 (deleted)',
      '/dev/zero (deleted)',
      '/[aio] (deleted)',
      '/anon_hugepage (deleted)',
    ];
    const maps = names.map((name, n) => ({
      address: `${n}000-${n + 1}000`,
      opened: opened(fakeFile({ ino: BigInt(n), dev: makeDev(0n, 5n) }), name, { mount: 2 }),
    }));
    const { ghosts } = findIn({ maps });
    assert.deepEqual(
      ghosts.map(({ keep }) => keep),
      Array(5).fill('criu'),
    );
    assert.deepEqual(
      ghosts.map(({ why }) => why),
      ['a memfd', 'SysV shared memory', 'anonymous shared memory', 'an aio ring', 'anonymous huge pages'].map(
        what => `${what}: CRIU keeps it itself`,
      ),
    );
  });

  it('when a file on a disk is called like a memfd, ghostkeep keeps its ghost; a ghost on hugetlbfs is left to CRIU', () => {
    assert.deepEqual(summary(findIn({ fds: { 3: opened(fakeFile(), '/memfd:x (deleted)') } })), [
      'unlinked: ghostkeep',
    ]);
    const mounts = [fakeMount(30, { filesystem: 'hugetlbfs' })];
    assert.deepEqual(summary(findIn({ mounts, fds: { 3: opened(fakeFile(), deleted) } })), [
      'unlinked: criu',
    ]);
  });

  it("when the mount is not in the holder's mountinfo, CRIU keeps the ghost", () => {
    const found = findIn({ fds: { 3: opened(fakeFile(), '/x (deleted)', { mount: 77 }) } });
    assert.deepEqual(summary(found), ['unlinked: criu']);
    assert.match(found.ghosts[0]?.why ?? '', /in no mount namespace that CRIU looks in/);
  });

  it('when a chrooted holder does not see the mount but another process in its namespace does, ghostkeep keeps the ghost', () => {
    const { processes } = fakeHost();
    const namespace = 'mnt:[7]';
    const root = opened(fakeFile({ mode: 0o40755, nlink: 2 }), '/data');
    processes.add(100, { namespace, root, mounts: [], fds: { 3: opened(fakeFile({ ino: 1n }), deleted) } });
    processes.add(200, { namespace, fds: { 3: opened(fakeFile({ ino: 2n }), deleted) } });
    processes.add(300, { namespace, root, mounts: [], fds: { 3: opened(fakeFile({ ino: 3n }), deleted) } });
    const keeps = findGhosts(processes, [100, 200, 300]).ghosts.map(({ keep }) => keep);
    assert.deepEqual(keeps, ['ghostkeep', 'ghostkeep', 'ghostkeep']);
  });

  it('when there is much to look at, each process and each item calls alive()', () => {
    const { processes } = fakeHost();
    const tmp = (ino: bigint) => opened(fakeFile({ ino }), '/tmp/x (deleted)');
    processes.add(100, {
      fds: { 3: tmp(1n), 4: tmp(2n) },
      maps: [{ address: '1000-2000', opened: tmp(3n) }],
    });
    let signs = 0;
    findGhosts(processes, [100], () => {
      signs += 1;
    });
    // There is one process, with three files to look at, and three ghosts to decide about.
    assert.equal(signs, 7);
  });
});

describe('classes', () => {
  it("when a live file's name ends in ' (deleted)', it is no ghost", () => {
    const file = fakeFile({ nlink: 1 });
    const inRoot = { '/x (deleted)': file };
    assert.deepEqual(findIn({ inRoot, fds: { 3: opened(file, '/x (deleted)') } }).ghosts, []);
  });

  it('when the opened name is gone, the inode has others and none is found, it is a linked ghost that CRIU keeps', () => {
    const open = opened(fakeFile({ nlink: 1 }), deleted);
    assert.deepEqual(summary(findIn({ fds: { 3: open } })), ['linked: criu']);
    const inRoot = { [deleted]: fakeFile({ nlink: 1, ino: 1n }) };
    assert.deepEqual(
      summary(findIn({ inRoot, fds: { 3: open } })),
      ['linked: criu'],
      'another file has that name',
    );
    const other = { [deleted]: fakeFile({ nlink: 1, dev: 1n }) };
    assert.deepEqual(
      summary(findIn({ inRoot: other, fds: { 3: open } })),
      ['linked: criu'],
      'on another device',
    );
  });

  it("when another name is found on the ghost's mount, ghostkeep keeps it with all the names", () => {
    const file = fakeFile({ nlink: 2 });
    const inRoot = { '/dev/shm/sem.a': file, '/dev/shm/sem.b': file };
    const found = findIn({ inRoot, fds: { 3: opened(file, '/dev/shm/sem.x (deleted)') } });
    assert.deepEqual(summary(found), ['linked: ghostkeep']);
    assert.deepEqual(found.ghosts[0]?.mounts[0]?.names?.map(String), Object.keys(inRoot));
  });

  it('when overlayfs shows a link count of 1 for a file without any name, it is an unlinked ghost', () => {
    const mounts = [fakeMount(30, { filesystem: 'overlay' })];
    const found = findIn({ mounts, fds: { 3: opened(fakeFile({ nlink: 1 }), deleted) } });
    assert.deepEqual(summary(found), ['unlinked: ghostkeep']);
  });

  it("when a path ends in ' (deleted)' twice, only one is stripped", () => {
    const { ghosts } = findIn({ fds: { 3: opened(fakeFile(), '/x (deleted) (deleted)') } });
    assert.equal(String(ghosts[0]?.mounts[0]?.path), '/x (deleted)');
  });

  it('when NFS has renamed a file, it is silly-renamed; with another magic or other digits it is a live file', () => {
    const name = '/export/.nfs000000000000000200000001';
    const at = (magic: bigint, path = name) =>
      findIn({ fds: { 3: opened(fakeFile({ nlink: 1, magic }), path) } });
    assert.deepEqual(summary(at(0x6969n)), ['silly-renamed: ghostkeep']);
    assert.deepEqual(at(0x6969n).ghosts[0]?.mounts[0]?.path, Buffer.from(name));
    assert.deepEqual(at(0xef53n).ghosts, []);
    for (const path of [name.slice(0, -1), `${name}1`, name.replace('.nfs', 'nfs'), name.replace(/1$/, 'g')])
      assert.deepEqual(at(0x6969n, path).ghosts, [], path);
  });
});

describe('files that AFS and FUSE renamed on removal', () => {
  it('when a name is one that AFS or FUSE gives and the statfs type fits, the file is silly-renamed', () => {
    const at = (path: string, magic: bigint) =>
      summary(findIn({ fds: { 3: opened(fakeFile({ nlink: 1, magic }), path) } }));
    for (const [path, magic] of [
      ['/afs/x/.__afs0001', 0x6b414653n],
      ['/afs/x/.__afsF3', 0x5346414fn],
      ['/m/.fuse_hidden0000000200000001', 0x65735546n],
    ] as const) {
      assert.deepEqual(at(path, magic), ['silly-renamed: ghostkeep'], path);
      assert.deepEqual(at(path, 0xef53n), [], path);
    }
  });

  it('when another file has taken the opened name of a ghost on FUSE, the ghost gets a restorable path', () => {
    const file = fakeFile({ nlink: 1 });
    const inRoot = { '/m/x': fakeFile({ nlink: 1, ino: 7n }), '/m/.fuse_hidden0000000200000001': file };
    const { ghosts } = findIn({
      inRoot,
      mounts: [fakeMount(30, { filesystem: 'fuse.sshfs', mountPoint: Buffer.from('/m') })],
      fds: { 3: opened(file, '/m/x (deleted)') },
    });
    assert.equal(ghosts[0]?.class, 'silly-renamed');
    assert.match(String(ghosts[0]?.mounts[0]?.restorable), /^\/m\/\.ghostkeep-/);
  });
});

describe('files with the same inode number', () => {
  const ghost = opened(fakeFile({ dev: 1n }), deleted);
  const other = (mount: number) => opened(fakeFile({ dev: 2n, nlink: 1 }), '/lib/x', { mount });

  it("when another file with the ghost's number is open on the same mount, CRIU keeps the ghost and says why", () => {
    const found = findIn({ fds: { 3: ghost, 4: other(30) } });
    assert.deepEqual(summary(found), ['unlinked: criu']);
    assert.match(found.ghosts[0]?.why ?? '', /same inode number on the same mount/);
  });

  it("when another file with the ghost's number is only mapped, CRIU keeps the ghost, too", () => {
    assert.deepEqual(summary(findIn({ fds: { 3: ghost }, maps: [{ address: '1-2', opened: other(30) }] })), [
      'unlinked: criu',
    ]);
  });

  it("when another file with the ghost's number is on another mount, the keys differ and ghostkeep keeps the ghost", () => {
    const mounts = [fakeMount(30), fakeMount(31)];
    assert.deepEqual(summary(findIn({ mounts, fds: { 3: ghost, 4: other(31) } })), ['unlinked: ghostkeep']);
  });

  it("when another file with the ghost's number is open on two mounts, its descriptor on the ghost's mount is noticed", () => {
    const mounts = [fakeMount(30), fakeMount(31)];
    const file = other(31).file;
    const found = findIn({
      mounts,
      fds: { 3: ghost, 4: opened(file, '/lib/x', { mount: 31 }), 5: opened(file, '/lib/x', { mount: 30 }) },
    });
    assert.deepEqual(summary(found), ['unlinked: criu']);
  });

  it('when two ghosts on one mount have the same inode number, CRIU keeps both', () => {
    const found = findIn({ fds: { 3: ghost, 4: opened(fakeFile({ dev: 2n }), deleted) } });
    assert.deepEqual(summary(found), ['unlinked: criu', 'unlinked: criu']);
  });
});

describe('ghosts on FUSE', () => {
  const mounts = [fakeMount(30, { filesystem: 'fuse.sshfs' })];
  const ghost = opened(fakeFile(), deleted);

  it('when a searched process serves FUSE, CRIU keeps ghosts on FUSE', () => {
    const device = opened(
      fakeFile({ mode: 0o20666, rdev: makeDev(10n, 229n), ino: 9n, nlink: 1 }),
      '/dev/fuse',
    );
    const found = findIn({ mounts, fds: { 3: ghost, 4: device } });
    assert.deepEqual(summary(found), ['unlinked: criu']);
    assert.match(found.ghosts[0]?.why ?? '', /FUSE server/);
  });

  const onServer = { mounts: [fakeMount(40, { filesystem: 'fuse.sshfs' })] };
  const there = (ino: bigint, path: string) => opened(fakeFile({ nlink: 1, ino }), path, { mount: 40 });

  it('when a searched process serves FUSE, the search makes no statfs(2) on FUSE, because the server may be frozen', () => {
    const device = fakeFile({ mode: 0o20666, rdev: makeDev(10n, 229n), ino: 9n, nlink: 1 });
    const { processes } = fakeHost();
    processes.filesystemMagic = () => assert.fail('statfs(2) waits for the server');
    const hidden = there(7n, '/m/.fuse_hidden0000000200000001');
    processes.add(100, { ...onServer, fds: { 3: hidden, 4: opened(device, '/dev/fuse') } });
    assert.deepEqual(summary(findGhosts(processes, [100])), ['silly-renamed: criu']);
  });

  it('when a file on a server cannot be judged, the search goes on with the next one', () => {
    const { processes } = fakeHost();
    processes.statInRoot = () => {
      throw errno('ECONNABORTED');
    };
    for (const pid of [100, 101])
      processes.add(pid, { ...onServer, fds: { 3: there(BigInt(pid), `/m/${pid} (deleted)`) } });
    const { unseen } = findGhosts(processes, [100, 101]);
    assert.deepEqual(
      unseen.map(({ pid, what }) => [pid, what]),
      [
        [100, 'fd 3'],
        [101, 'fd 3'],
      ],
    );
  });

  it('when no searched process serves FUSE, ghostkeep keeps a ghost on FUSE', () => {
    assert.deepEqual(summary(findIn({ mounts, fds: { 3: ghost } })), ['unlinked: ghostkeep']);
  });
});

describe('files that cannot be looked at', () => {
  const ghost = opened(fakeFile(), deleted);

  it('when a file server no longer has an open file, each holder of it is unseen, and may hide a ghost', () => {
    const file = opened(fakeFile({ nlink: 1 }), '/data/f');
    const { ghosts, unseen } = findIn({
      fds: { 3: file, 4: file },
      maps: [{ address: '1000-2000', opened: file }],
      fails: { 'stat fd/3': 'ENOENT', 'stat map_files/1000-2000': 'ENOENT' },
    });
    assert.deepEqual(ghosts, []);
    assert.deepEqual(
      unseen.map(({ what, mayHide }) => ({ what, mayHide })),
      [
        { what: 'fd 3', mayHide: true },
        { what: 'map_files 1000-2000', mayHide: true },
      ],
    );
  });

  it('when a process has ended, `unseen` names it once and the other processes are searched', () => {
    const { processes } = fakeHost();
    processes.add(200, { fds: { 3: ghost } });
    const { ghosts, unseen } = findGhosts(processes, [100, 200]);
    assert.equal(ghosts.length, 1);
    assert.deepEqual(
      unseen.map(({ pid, what, why }) => [pid, what, why]),
      [[100, 'process', 'it ended while it was looked at']],
    );
  });

  it('when a descriptor closes during the search, it is left out of `unseen`', () => {
    for (const calls of [['stat', 'readLink'], ['fdInfo'], ['readLink']]) {
      const found = findIn({
        fds: { 3: ghost, 4: opened(fakeFile({ ino: 2n }), deleted) },
        fails: Object.fromEntries(calls.map(call => [`${call} fd/3`, 'ENOENT'])),
      });
      assert.deepEqual(found.unseen, [], calls.join());
      assert.ok(found.ghosts.some(({ stat }) => stat.ino === 2n));
    }
  });

  it('when no descriptor may be looked at, `unseen` says so once and not for each', () => {
    const { unseen } = findIn({
      exe: opened(fakeFile({ ino: 1n, nlink: 1 }), '/bin/x'),
      fds: { 3: ghost, 4: ghost },
      fails: { fds: 'EACCES', threadsApart: 'EPERM' },
    });
    assert.deepEqual(
      unseen.map(({ pid, what }) => [pid, what]),
      [[100, 'fd']],
    );
    const each = findIn({
      exe: opened(fakeFile({ ino: 1n, nlink: 1 }), '/bin/x'),
      fds: { 3: ghost, 4: ghost },
      fails: { 'stat fd/3': 'EACCES', 'stat fd/4': 'EACCES' },
    });
    assert.deepEqual(
      each.unseen.map(({ what }) => what),
      ['fd'],
    );
  });

  it('when one descriptor fails for its own reason, the others are still looked at', () => {
    const stale = opened(fakeFile({ ino: 5n }), '/nfs/x');
    const { ghosts, unseen } = findIn({ fds: { 3: stale, 4: ghost }, fails: { 'stat fd/3': 'ESTALE' } });
    assert.equal(ghosts.length, 1);
    assert.deepEqual(
      unseen.map(({ what }) => what),
      ['fd 3'],
    );
    assert.match(unseen[0]?.why ?? '', /ESTALE/);
  });

  it('when map_files may not be used, mappings of deleted files are reported from maps', () => {
    const { ghosts, unseen } = findIn({
      maps: [
        { address: '1000-2000', opened: opened(fakeFile({ nlink: 1, ino: 1n }), '/lib/libc.so') },
        { address: '3000-4000', opened: ghost },
      ],
      fails: { 'stat map_files/1000-2000': 'EPERM', 'stat map_files/3000-4000': 'EPERM' },
    });
    assert.deepEqual(ghosts, []);
    assert.deepEqual(
      unseen.map(({ what }) => what),
      ['map_files 3000-4000'],
    );
  });

  it('when an unreadable mapping is of a known ghost or of no file, it is not reported', () => {
    const hidden = (address: string, name: string, file = fakeFile({ ino: 9n })) => ({
      address,
      opened: opened(file, name),
    });
    const { ghosts, unseen } = findIn({
      fds: { 3: ghost },
      maps: [
        { address: '3000-4000', opened: ghost },
        hidden('5000-6000', '/dev/zero (deleted)'),
        hidden('7000-8000', '/tmp/other (deleted)'),
        hidden('8000-9000', '/memfd:jit (deleted)'),
      ],
      fails: { 'stat map_files/3000-4000': 'EPERM' },
    });
    assert.equal(ghosts.length, 1);
    assert.deepEqual(
      unseen.map(({ what }) => what),
      ['map_files 7000-8000', 'map_files 8000-9000'],
    );
  });

  it('when an error has no errno, it is thrown, because it is a bug', () => {
    const { processes } = fakeHost();
    processes.add(100, {});
    processes.fds = () => {
      throw new TypeError('bug');
    };
    assert.throws(() => findGhosts(processes, [100]), TypeError);
  });
});

describe('mounts that hide others', () => {
  const at = (id: number, parent: number, path: string) =>
    fakeMount(id, { parent, mountPoint: Buffer.from(path) });
  const root = at(20, 1, '/');
  const jail = opened(fakeFile({ mode: 0o40755, nlink: 2, ino: 2n }), '/jail');

  it("when a ghost's mount is covered, CRIU keeps the ghost and will refuse it", () => {
    const mounts = [root, at(30, 20, '/data'), at(31, 30, '/data')];
    const found = findIn({ mounts, fds: { 3: opened(fakeFile(), deleted) } });
    assert.deepEqual(summary(found), ['unlinked: criu']);
    assert.match(found.ghosts[0]?.why ?? '', /another mount covers its own: CRIU refuses/);
  });

  it('when a ghost is open through two mounts and one is covered, CRIU keeps it', () => {
    const mounts = [root, at(30, 20, '/data'), at(31, 20, '/other'), at(32, 31, '/other')];
    const file = fakeFile();
    const found = findIn({
      mounts,
      fds: { 3: opened(file, deleted), 4: opened(file, '/other/tmp (deleted)', { mount: 31 }) },
    });
    assert.deepEqual(summary(found), ['unlinked: criu']);
  });

  it("when a linked ghost's mount is covered, its names are not looked for", () => {
    const { processes } = fakeHost();
    processes.add(100, {
      mounts: [root, at(30, 20, '/data'), at(31, 30, '/data')],
      fds: { 3: opened(fakeFile({ nlink: 1 }), deleted) },
    });
    processes.namesOf = () => assert.fail('the mount on top may be a FUSE of a frozen process');
    const [ghost] = findGhosts(processes, [100]).ghosts;
    assert.deepEqual([ghost?.class, ghost?.keep], ['linked', 'criu']);
  });

  it("when only the ghost's folder is hidden, ghostkeep keeps it, with a path in the root of the mount", () => {
    const mounts = [root, at(30, 20, '/data'), at(31, 30, '/data/d')];
    const found = findIn({ mounts, fds: { 3: opened(fakeFile(), '/data/d/tmp (deleted)') } });
    assert.deepEqual(summary(found), ['unlinked: ghostkeep']);
    const [mount] = found.ghosts[0]?.mounts ?? [];
    assert.equal(String(mount?.path), '/data/d/tmp');
    assert.match(String(mount?.restorable), /^\/data\/\.ghostkeep-[0-9a-f]{24}$/);
  });

  it("when another file has taken the folder's name, the ghost gets a path in the root; if unknown, it keeps its own", () => {
    const inRoot = { '/data/d': fakeFile({ nlink: 1, ino: 7n }) };
    const fds = { 3: opened(fakeFile(), '/data/d/tmp (deleted)') };
    const restorable = (process: FakeProcess) =>
      String(
        findIn({ fds, inRoot, mounts: [root, at(30, 20, '/data')], ...process }).ghosts[0]?.mounts[0]
          ?.restorable,
      );
    assert.match(restorable({}), /^\/data\/\.ghostkeep-/);
    assert.equal(restorable({ fails: { areFree: 'EACCES' } }), 'undefined');
  });

  it('when one of the processes serves FUSE, no path is looked at', () => {
    const { processes } = fakeHost();
    const device = opened(
      fakeFile({ mode: 0o20666, rdev: makeDev(10n, 229n), ino: 9n, nlink: 1 }),
      '/dev/fuse',
    );
    processes.add(100, { fds: { 3: opened(fakeFile(), deleted), 4: device } });
    processes.areFree = () => assert.fail('a frozen server may have to answer');
    assert.equal(findGhosts(processes, [100]).ghosts.length, 1);
  });

  it('when many ghosts lie in one folder, their names are looked at together', () => {
    const { processes } = fakeHost();
    const ghosts = [1n, 2n, 3n].map(ino => opened(fakeFile({ ino }), `/tmp/${ino} (deleted)`));
    processes.add(100, { fds: { ...ghosts } });
    const looks: string[][] = [];
    processes.areFree = (_pid, _id, _mountPoint, _folder, names) => {
      looks.push(names.map(String));
      return names.map(name => String(name) !== '2');
    };
    const found = findGhosts(processes, [100]).ghosts;
    assert.deepEqual(looks[0], ['1', '2', '3']);
    assert.deepEqual(
      [looks.length, looks[1]?.length],
      [2, 1],
      'and once for other names of those that need one',
    );
    assert.deepEqual(
      found.map(({ mounts: [mount] }) => mount?.restorable !== undefined),
      [false, true, false],
    );
  });

  it("when another file has the ghost's name, the ghost gets a restorable path; a file that NFS renamed keeps its own", () => {
    const pathOf = (path: string, magic = 0xef53n) => {
      const open = opened(fakeFile({ magic, nlink: magic === 0x6969n ? 1 : 0 }), path);
      const inRoot = { [path.replace(' (deleted)', '')]: fakeFile({ nlink: 1, ino: 7n }) };
      return findIn({ inRoot, fds: { 3: open } }).ghosts[0]?.mounts[0]?.restorable?.toString();
    };
    assert.match(pathOf(deleted) ?? '', /^\/(.*\/)?\.ghostkeep-/);
    assert.equal(pathOf('/data/.nfs000000000000000200000001', 0x6969n), undefined);
  });

  it("when the holder is chrooted, mount points are the namespace's, whichever process is searched first", () => {
    for (const pids of [
      [100, 200],
      [200, 100],
    ]) {
      const { processes } = fakeHost();
      // The jail lies on mount 20. Inside it only the mounts below it are shown, by the jail's own paths.
      processes.add(100, {
        root: jail,
        mounts: [at(30, 20, '/data')],
        fds: {
          3: opened(fakeFile(), '/jail/data/d/tmp (deleted)'),
          4: opened(fakeFile({ ino: 5n }), '/jail/x (deleted)', { mount: 20 }),
        },
      });
      processes.add(200, { mounts: [root, at(30, 20, '/jail/data'), at(31, 30, '/jail/data/d')] });
      const { ghosts } = findGhosts(processes, pids);
      assert.deepEqual(
        ghosts.map(({ mounts: [mount], keep }) => [String(mount?.mountPoint), keep, mount?.covered]),
        [
          ['/jail/data', 'ghostkeep', false],
          ['/', 'ghostkeep', false],
        ],
      );
      assert.match(String(ghosts[0]?.mounts[0]?.restorable), /^\/jail\/data\/\.ghostkeep-/);
    }
  });

  it("when only the chrooted process is searched, mount points are still the namespace's", () => {
    const found = findIn({
      root: jail,
      mounts: [at(30, 20, '/'), at(31, 30, '/in')],
      fds: { 3: opened(fakeFile(), '/jail/in/tmp (deleted)', { mount: 31 }) },
    });
    assert.equal(String(found.ghosts[0]?.mounts[0]?.mountPoint), '/jail/in');
  });

  it('when several files of one process have no mount in its namespace, its mountinfo is read once', () => {
    const { processes } = fakeHost();
    const name = '/memfd:x (deleted)';
    processes.add(100, {
      fds: {
        3: opened(fakeFile(), name, { mount: 9 }),
        4: opened(fakeFile({ ino: 5n }), name, { mount: 9 }),
      },
    });
    let reads = 0;
    const { mounts } = processes;
    processes.mounts = pid => {
      reads += 1;
      return mounts(pid);
    };
    findGhosts(processes, [100]);
    assert.equal(reads, 1);
  });

  describe('when a path is too long for a link of /proc', () => {
    const long = `/${'x'.repeat(5000)}`;
    const live = fakeFile({ nlink: 1 });

    it('a live file whose path is too long for a link of /proc is no ghost', () => {
      const found = findIn({
        fds: { 3: opened(live, long) },
        exe: opened(live, long),
        cwd: opened(live, long),
      });
      assert.deepEqual([found.ghosts, found.unseen], [[], []]);
    });

    it('a ghost whose path is too long for a link of /proc is left to CRIU, which refuses it', () => {
      const found = findIn({ fds: { 3: opened(fakeFile(), `${long} (deleted)`) } });
      assert.deepEqual(summary(found), ['unlinked: criu']);
      assert.deepEqual(found.unseen, []);
    });

    it('a ghost with too long a path and another name is found by its mapping', () => {
      const found = findIn({
        maps: [{ address: '1-2', opened: opened(live, `${long} (deleted)`) }],
        inRoot: { '/other': live },
      });
      assert.deepEqual([summary(found), found.unseen], [['linked: criu'], []]);
    });

    it('a file with too long a path that cannot be opened is reported, because it may be a ghost', () => {
      const found = findIn({ fds: { 3: opened(live, long) }, fails: { 'longPath fd/3': 'EIO' } });
      assert.deepEqual(
        found.unseen.map(({ what, mayHide }) => [what, mayHide]),
        [['fd 3', true]],
      );
    });
  });

  describe('when files lie on a server', () => {
    const mounts = [fakeMount(30), fakeMount(31, { filesystem: 'fuse.gk', mountPoint: Buffer.from('/far') })];
    const far = (file: ReturnType<typeof fakeFile>, name: string) => opened(file, name, { mount: 31 });

    it("a silent server's mount is reported, and ghosts on this machine are found", () => {
      const { processes } = fakeHost();
      const live = fakeFile({ ino: 1n, nlink: 1 });
      processes.add(100, {
        mounts,
        fds: {
          3: far(live, '/far/live'),
          4: far(fakeFile({ ino: 2n }), '/far/gone (deleted)'),
          5: opened(fakeFile({ ino: 3n }), deleted),
        },
        exe: far(live, '/far/live'),
      });
      processes.silent.add(31);
      const found = findGhosts(processes, [100]);
      assert.deepEqual(summary(found), ['unlinked: ghostkeep']);
      assert.deepEqual(
        found.unseen.map(({ what, why, mayHide }) => [what, why, mayHide]),
        [
          ['fd 3', 'the server of /far (fuse.gk) does not answer', false],
          ['fd 4', 'the server of /far (fuse.gk) does not answer', true],
          ['exe', 'the server of /far (fuse.gk) does not answer', false],
        ],
      );
    });

    it('a ghost is found although the kernel still shows the old link count', () => {
      const { processes } = fakeHost();
      const file = fakeFile({ nlink: 1 });
      processes.add(100, { mounts, fds: { 3: far(file, '/far/file') } });
      assert.deepEqual(summary(findGhosts(processes, [100])), []);
      processes.onServer.set(file, { nlink: 0 });
      assert.deepEqual(summary(findGhosts(processes, [100])), ['unlinked: ghostkeep']);
    });

    it('no server is asked that is itself a searched process', () => {
      const { processes } = fakeHost();
      const fuse = fakeFile({ mode: 0o020666, nlink: 1, rdev: 0x0ae5n, ino: 9n });
      processes.add(100, {
        mounts,
        fds: { 3: far(fakeFile(), '/far/gone (deleted)'), 4: opened(fuse, '/dev/fuse') },
      });
      processes.silent.add(31);
      const found = findGhosts(processes, [100]);
      assert.deepEqual([summary(found), found.unseen], [['unlinked: criu'], []]);
    });
  });
});

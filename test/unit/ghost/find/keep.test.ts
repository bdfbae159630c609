import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseGhosts, needsCopy } from '../../../../src/flows/choose/choose.js';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { ghostkeepError } from '../../expect.js';
import { errno, type FakeHost, fakeContext, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

type Names = ReturnType<FakeHost['processes']['namesOf']>;

/**
 * What becomes of a file whose opened name is gone and whose inode has another, if the search for it ends so.
 */
function keepOf(search: Partial<Names> | string, filesystem = 'ext4', mounts = [30]) {
  const { processes } = fakeHost();
  const file = fakeFile({ nlink: 1 });
  processes.add(100, {
    mounts: mounts.map(id => fakeMount(id, { filesystem, mountPoint: Buffer.from(`/m${id}`) })),
    fds: Object.fromEntries(mounts.map(id => [id, opened(file, `/m${id}/x (deleted)`, { mount: id })])),
  });
  const asked: string[] = [];
  processes.namesOf = (_pid, mountPoint: Buffer): Names => {
    asked.push(mountPoint.toString());
    if (typeof search === 'string') throw errno(search);
    return { names: [Buffer.from(`${mountPoint}/other`)], complete: true, looked: 1, ...search };
  };
  const [ghost] = findGhosts(processes, [100]).ghosts;
  assert.ok(ghost);
  return { asked, kept: `${ghost.class}: ${ghost.keep}`, why: ghost.why, ghost };
}

describe('who keeps a linked ghost', () => {
  it('when another name is found, ghostkeep does, and says by which', () => {
    const { kept, why } = keepOf({});
    assert.equal(kept, 'linked: ghostkeep');
    assert.equal(why, 'its inode still is /m30/other');
  });

  it('when it is open through two mounts, each needs a name of its own', () => {
    const { kept, asked, ghost } = keepOf({}, 'ext4', [30, 31]);
    assert.equal(kept, 'linked: ghostkeep');
    assert.deepEqual(asked, ['/m30', '/m31']);
    assert.deepEqual(
      ghost.mounts.map(({ names }) => names?.map(String)),
      [['/m30/other'], ['/m31/other']],
    );
  });

  it('when no name is found, CRIU does, and why says whether the search came to its end', () => {
    const complete = keepOf({ names: [] });
    assert.equal(complete.kept, 'linked: criu');
    assert.match(complete.why, /none on the mount it is open through.*--link-remap/);
    const cut = keepOf({ names: [], complete: false });
    assert.equal(cut.kept, 'linked: criu');
    assert.match(cut.why, /none was found in reasonable time/);
  });

  it('when the search fails, that is no proof of anything', () => {
    for (const filesystem of ['ext4', 'overlay'])
      assert.equal(keepOf('EACCES', filesystem).kept, 'linked: criu', filesystem);
  });

  it('when overlayfs has no name at all, it is an unlinked one; when the search was cut off, nobody knows', () => {
    assert.equal(keepOf({ names: [] }, 'overlay').kept, 'unlinked: ghostkeep');
    assert.equal(keepOf({ names: [], complete: false }, 'overlay').kept, 'linked: criu');
  });

  it('when its only name is the one FUSE gave it, it is silly-renamed; another name beside that one is a name', () => {
    const hidden = Buffer.from('/m30/.fuse_hidden0000000200000001');
    assert.equal(keepOf({ names: [hidden] }, 'fuse.sshfs').kept, 'silly-renamed: ghostkeep');
    assert.equal(keepOf({ names: [hidden], complete: false }, 'fuseblk').kept, 'silly-renamed: ghostkeep');
    const both = keepOf({ names: [hidden, Buffer.from('/m30/other')] }, 'fuse.sshfs');
    assert.equal(both.kept, 'linked: ghostkeep');
    assert.deepEqual(both.ghost.mounts[0]?.names?.map(String), ['/m30/other']);
    // On a disk a user has called it so.
    assert.equal(keepOf({ names: [hidden] }).kept, 'linked: ghostkeep');
  });

  it('when a server says that there is a link and there is no name, it is an unlinked one', () => {
    for (const filesystem of ['fuse.s3fs', '9p', 'smb3']) {
      assert.equal(keepOf({ names: [] }, filesystem).kept, 'unlinked: ghostkeep', filesystem);
      assert.equal(keepOf({ names: [], complete: false }, filesystem).kept, 'linked: criu', filesystem);
    }
  });

  it('when its names may be gone at restore, its content is copied: always but on a known disk', () => {
    const copied = (filesystem: string) => needsCopy(keepOf({}, filesystem).ghost);
    for (const filesystem of ['tmpfs', 'ramfs', 'fuse.sshfs', 'nfs4', 'cifs', 'afs', '9p', 'nobody-knows'])
      assert.ok(copied(filesystem), filesystem);
    for (const filesystem of ['ext4', 'xfs', 'btrfs']) assert.ok(!copied(filesystem), filesystem);
  });

  it('when only the container has mounted the disk, that may go with it: the content is copied', () => {
    const copied = (dev: bigint) => {
      const { processes } = fakeHost();
      const file = fakeFile({ nlink: 1 });
      processes.add(processes.self(), { mounts: [fakeMount(1), fakeMount(2, { dev: 7n })] });
      processes.add(100, {
        mounts: [fakeMount(30, { dev })],
        inRoot: { '/other': file },
        fds: { 3: opened(file, '/x (deleted)') },
      });
      const [ghost] = findGhosts(processes, [100]).ghosts;
      assert.equal(ghost?.class, 'linked');
      return needsCopy(ghost);
    };
    assert.equal(copied(7n), false);
    assert.equal(copied(8n), true);
  });

  it('when it is on overlayfs, its names stay where the upper layer is on a known disk', () => {
    const copied = (filesystem: string) => {
      const { processes } = fakeHost();
      const file = fakeFile({ nlink: 1 });
      const upper = Buffer.from('/var/c/diff');
      processes.add(processes.self(), {
        mounts: [fakeMount(1, { filesystem })],
        inRoot: { '/var/c/diff': fakeFile({ nlink: 2 }) },
      });
      processes.add(100, {
        mounts: [fakeMount(30, { filesystem: 'overlay', upper })],
        inRoot: { '/other': file },
        fds: { 3: opened(file, '/x (deleted)') },
      });
      const [ghost] = findGhosts(processes, [100]).ghosts;
      assert.equal(ghost?.class, 'linked');
      return needsCopy(ghost);
    };
    assert.equal(copied('ext4'), false);
    assert.equal(copied('tmpfs'), true);
    assert.equal(copied('nfs4'), true);
  });

  it('when many are on one overlay, what its upper layer lies on is looked up once: all stands still', () => {
    const { processes } = fakeHost();
    const files = [1n, 2n, 3n].map(ino => fakeFile({ nlink: 1, ino }));
    const upper = Buffer.from('/var/c/diff');
    processes.add(processes.self(), { inRoot: { '/var/c/diff': fakeFile({ nlink: 2 }) } });
    processes.add(100, {
      mounts: [fakeMount(30, { filesystem: 'overlay', upper })],
      inRoot: Object.fromEntries(files.map((file, index) => [`/other${index}`, file])),
      fds: Object.fromEntries(files.map((file, index) => [index, opened(file, `/x${index} (deleted)`)])),
    });
    const { mounts } = processes;
    let reads = 0;
    processes.mounts = pid => {
      if (pid === processes.self()) reads += 1;
      return mounts(pid);
    };
    assert.ok(findGhosts(processes, [100]).ghosts.every(ghost => ghost.namesStay));
    assert.equal(reads, 1);
  });

  it('when a name was found before the search was cut off, that name will do on a disk', () => {
    assert.equal(keepOf({ complete: false }).kept, 'linked: ghostkeep');
  });
});

describe('what CRIU would dump and could not restore', () => {
  const on = (values: Parameters<typeof fakeMount>[1], nlink = 0) => {
    const context = fakeContext();
    context.host.processes.add(100, {
      mounts: [fakeMount(30, { mountPoint: Buffer.from('/vol'), ...values })],
      fds: { 3: opened(fakeFile({ nlink }), '/vol/x (deleted)') },
    });
    const found = findGhosts(context.host.processes, [100]);
    const choose = (criu: boolean) =>
      chooseGhosts(context, found, { policy: resolvePolicy(), criu }).chosen.length;
    return { ghost: found.ghosts[0], choose, lines: context.lines };
  };

  it('when the source of its mount is gone, a checkpoint is refused, and a dump without CRIU has it', () => {
    const { ghost, choose } = on({ rootGone: true });
    assert.equal(ghost?.keep, 'criu');
    assert.match(ghost?.why ?? '', /removed or replaced/);
    assert.throws(() => choose(true), ghostkeepError('GHOST_UNRESTORABLE', '/vol/x', 'removed or replaced'));
    assert.equal(choose(false), 1);
  });

  it('when its file system has no hard links, likewise', () => {
    for (const filesystem of ['vfat', 'exfat', 'msdos', 'orangefs', 'vboxsf']) {
      const { choose } = on({ filesystem });
      assert.throws(() => choose(true), ghostkeepError('GHOST_UNRESTORABLE', filesystem, 'no hard links'));
      assert.equal(choose(false), 1);
    }
  });

  it('when it may have none, a checkpoint warns and goes on; where it has, nothing is said', () => {
    for (const filesystem of ['fuse.s3fs', '9p', 'cifs', 'smb3']) {
      const { choose, lines } = on({ filesystem });
      assert.equal(choose(false), 1);
      assert.deepEqual(lines, []);
      assert.equal(choose(true), 1);
      assert.match(lines.join(), new RegExp(`^warn .*/vol/x.*${filesystem} may have no hard links`));
    }
    const { choose, lines } = on({ filesystem: 'fuse.sshfs' });
    assert.equal(choose(true), 1);
    assert.deepEqual(lines, []);
  });

  it('when it is one only by the names that are left, likewise', () => {
    const { ghost, choose, lines } = on({ filesystem: 'fuse.s3fs' }, 1);
    assert.equal(ghost?.class, 'unlinked');
    assert.equal(choose(true), 1);
    assert.match(lines.join(), /^warn .*fuse.s3fs may have no hard links/);
    const gone = on({ filesystem: 'fuse.sshfs', rootGone: true }, 1);
    assert.throws(() => gone.choose(true), ghostkeepError('GHOST_UNRESTORABLE', '/vol/x'));
  });

  it('when CRIU would keep it for another reason, the checkpoint is refused all the same: CRIU could restore it no better', () => {
    const { processes } = fakeHost();
    const twins = [fakeFile({ dev: 1n }), fakeFile({ dev: 2n, nlink: 1 })] as const;
    processes.add(100, {
      mounts: [fakeMount(30, { rootGone: true })],
      fds: { 3: opened(twins[0], '/x (deleted)'), 4: opened(twins[1], '/y') },
    });
    const context = { ...fakeContext(), host: { ...fakeHost(), processes } };
    const found = findGhosts(processes, [100]);
    assert.match(found.ghosts[0]?.why ?? '', /same inode number/);
    assert.throws(
      () => chooseGhosts(context, found, { policy: resolvePolicy(), criu: true }),
      ghostkeepError('GHOST_UNRESTORABLE', '/x'),
    );
  });

  it('when it has another name, CRIU is asked to refuse it', () => {
    assert.equal(on({ rootGone: true }, 1).ghost?.unrestorable, undefined);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseGhosts, needsCopy } from '../../../../src/flows/choose/choose.js';
import { findGhosts } from '../../../../src/ghost/find/find.js';
import { resolvePolicy } from '../../../../src/oci/policy.js';
import { ghostkeepError } from '../../expect.js';
import { errno, type FakeHost, fakeContext, fakeFile, fakeHost, fakeMount, opened } from '../../fake-host.js';

type Names = ReturnType<FakeHost['processes']['namesOf']>;

/**
 * Finds a ghost whose opened name is gone and whose inode has another link, when SEARCH is the result of the
 * search for names.
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

describe('decideKeep, for a linked ghost', () => {
  it('when another name is found, ghostkeep keeps the ghost and says by which name', () => {
    const { kept, why } = keepOf({});
    assert.equal(kept, 'linked: ghostkeep');
    assert.equal(why, 'its inode still is /m30/other');
  });

  it('when a ghost is open through two mounts, a name is looked for on each', () => {
    const { kept, asked, ghost } = keepOf({}, 'ext4', [30, 31]);
    assert.equal(kept, 'linked: ghostkeep');
    assert.deepEqual(asked, ['/m30', '/m31']);
    assert.deepEqual(
      ghost.mounts.map(({ names }) => names?.map(String)),
      [['/m30/other'], ['/m31/other']],
    );
  });

  it('when no name is found, CRIU keeps the ghost, and the reason says whether the search was complete', () => {
    const complete = keepOf({ names: [] });
    assert.equal(complete.kept, 'linked: criu');
    assert.match(complete.why, /none on the mount it is open through.*--link-remap/);
    const cut = keepOf({ names: [], complete: false });
    assert.equal(cut.kept, 'linked: criu');
    assert.match(cut.why, /none was found in reasonable time/);
  });

  it('when the search for names fails, CRIU keeps the ghost, because the failure proves nothing', () => {
    for (const filesystem of ['ext4', 'overlay'])
      assert.equal(keepOf('EACCES', filesystem).kept, 'linked: criu', filesystem);
  });

  it('when a complete search on overlayfs finds no name, the ghost is unlinked; after an incomplete one CRIU keeps it', () => {
    assert.equal(keepOf({ names: [] }, 'overlay').kept, 'unlinked: ghostkeep');
    assert.equal(keepOf({ names: [], complete: false }, 'overlay').kept, 'linked: criu');
  });

  it('when the only name is the one that FUSE gave, the ghost is silly-renamed; with another name it is linked', () => {
    const hidden = Buffer.from('/m30/.fuse_hidden0000000200000001');
    assert.equal(keepOf({ names: [hidden] }, 'fuse.sshfs').kept, 'silly-renamed: ghostkeep');
    assert.equal(keepOf({ names: [hidden], complete: false }, 'fuseblk').kept, 'silly-renamed: ghostkeep');
    const both = keepOf({ names: [hidden, Buffer.from('/m30/other')] }, 'fuse.sshfs');
    assert.equal(both.kept, 'linked: ghostkeep');
    assert.deepEqual(both.ghost.mounts[0]?.names?.map(String), ['/m30/other']);
    // On a disk this is no silly name: a user has chosen it.
    assert.equal(keepOf({ names: [hidden] }).kept, 'linked: ghostkeep');
  });

  it('when a server shows one link but no name is found, the ghost is unlinked', () => {
    for (const filesystem of ['fuse.s3fs', '9p', 'smb3']) {
      assert.equal(keepOf({ names: [] }, filesystem).kept, 'unlinked: ghostkeep', filesystem);
      assert.equal(keepOf({ names: [], complete: false }, filesystem).kept, 'linked: criu', filesystem);
    }
  });

  it('when the names may be gone at restore, the content is copied: everywhere but on a known disk', () => {
    const copied = (filesystem: string) => needsCopy(keepOf({}, filesystem).ghost);
    for (const filesystem of ['tmpfs', 'ramfs', 'fuse.sshfs', 'nfs4', 'cifs', 'afs', '9p', 'nobody-knows'])
      assert.ok(copied(filesystem), filesystem);
    for (const filesystem of ['ext4', 'xfs', 'btrfs']) assert.ok(!copied(filesystem), filesystem);
  });

  it('when only the container has mounted the disk, the content is copied, because the disk may go with it', () => {
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

  it('when a ghost is on overlayfs, its content is copied unless the upper layer is on a known disk', () => {
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

  it('when many ghosts are on one overlay, its upper layer is looked up only once, because all processes may be frozen', () => {
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

  it('when a name was found before the search was cut off, ghostkeep keeps the ghost by that name', () => {
    assert.equal(keepOf({ complete: false }).kept, 'linked: ghostkeep');
  });
});

describe('ghosts that CRIU would dump and could not restore', () => {
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

  it('when the source of the mount is gone, a checkpoint is refused, and a dump without CRIU copies the ghost', () => {
    const { ghost, choose } = on({ rootGone: true });
    assert.equal(ghost?.keep, 'criu');
    assert.match(ghost?.why ?? '', /removed or replaced/);
    assert.throws(() => choose(true), ghostkeepError('GHOST_UNRESTORABLE', '/vol/x', 'removed or replaced'));
    assert.equal(choose(false), 1);
  });

  it('when the file system has no hard links, a checkpoint is refused, and a dump without CRIU copies the ghost', () => {
    for (const filesystem of ['vfat', 'exfat', 'msdos', 'pvfs2', 'vboxsf']) {
      const { choose } = on({ filesystem });
      assert.throws(() => choose(true), ghostkeepError('GHOST_UNRESTORABLE', filesystem, 'no hard links'));
      assert.equal(choose(false), 1);
    }
  });

  it('when the file system may have no hard links, a checkpoint warns and goes on; where it has them, there is no warning', () => {
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

  it('when a ghost is unlinked only because no name was found, the same warnings and refusals apply', () => {
    const { ghost, choose, lines } = on({ filesystem: 'fuse.s3fs' }, 1);
    assert.equal(ghost?.class, 'unlinked');
    assert.equal(choose(true), 1);
    assert.match(lines.join(), /^warn .*fuse.s3fs may have no hard links/);
    const gone = on({ filesystem: 'fuse.sshfs', rootGone: true }, 1);
    assert.throws(() => gone.choose(true), ghostkeepError('GHOST_UNRESTORABLE', '/vol/x'));
  });

  it('when CRIU would keep an unrestorable ghost for another reason, the checkpoint is still refused', () => {
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

  it('when the ghost has another name, ghostkeep does not mark it as unrestorable', () => {
    assert.equal(on({ rootGone: true }, 1).ghost?.unrestorable, undefined);
  });
});

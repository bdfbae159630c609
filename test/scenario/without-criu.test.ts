/**
 * `dump` without CRIU: nobody else keeps what it does not copy. So it also copies what CRIU would keep or
 * refuse.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { scan } from '../../src/flows/scan/scan.js';
import { flows, ghostkeep, isRoot } from './ghostkeep.js';
import { comesBack, content, type Holder, holder, oddly } from './odd-holder.js';

const scanOf = ({ pid }: Holder) => scan(flows(), { pids: [pid] }).ghosts;

/**
 * Checks that the one ghost of HOLDER comes back. In a checkpoint, KEEP would keep it, and scan gives the
 * reason.
 */
async function expectGhost(held: Holder, name: string, keep: string, why: RegExp, is = 'unlinked') {
  const [found] = scanOf(held);
  assert.deepEqual([found?.class, found?.keep], [is, keep]);
  assert.match(found?.why ?? '', why);
  const ghosts = await comesBack(held, [held.pid]);
  assert.deepEqual(
    ghosts.map(ghost => [ghost.class, ghost.path.slice(ghost.path.lastIndexOf('/') + 1)]),
    [[is, name]],
  );
}

const beyond = /in no mount namespace that CRIU looks in/;

describe('a dump without CRIU', { skip: isRoot ? false : 'mounting needs root' }, () => {
  const is = async (t: TestContext, script: string, keep: string, why: RegExp, name = 'ghost') =>
    expectGhost(await holder(t, script), name, keep, why);

  it('a dump without CRIU keeps a ghost when its file system was unmounted lazily', t =>
    is(
      t,
      'mkdir m; mount -t tmpfs test m; cp source m/ghost; exec 9<>m/ghost; rm m/ghost; umount -l m',
      'criu',
      beyond,
    ));

  it('a dump without CRIU keeps a ghost when it was opened before unshare(CLONE_NEWNS), by a descriptor or a mapping', async t => {
    await is(
      t,
      'cp source ghost; exec 9<>ghost; rm ghost; exec unshare --mount bash -c "echo ready; exec sleep 600"',
      'criu',
      beyond,
    );
    await is(t, oddly(t, 'mapped-before-unshare'), 'criu', beyond);
  });

  it('a dump without CRIU keeps a ghost when its file system was never mounted, or its mount is a copy that is mounted nowhere', async t => {
    await is(t, oddly(t, 'detached-tmpfs'), 'criu', beyond);
    await is(t, oddly(t, 'detached-copy'), 'criu', beyond);
  });

  it('a dump without CRIU keeps a ghost when its process is chrooted, also where CRIU would not see its mount', async t => {
    await expectGhost(await holder(t, oddly(t, 'chroot'), []), 'ghost', 'ghostkeep', /regular file/);
    // In another mount namespace CRIU would see no more than its process does.
    const apart = await holder(
      t,
      `${oddly(t, 'chroot').replace('exec', '')} >said & echo $! >worker; while ! [ -s said ]; do sleep 0.02; done`,
    );
    const worker = { ...apart, pid: Number(fs.readFileSync(`${apart.folder}/worker`, 'utf8')) };
    await expectGhost(worker, 'ghost', 'criu', beyond);
    assert.notEqual(scanOf(worker)[0]?.filesystem, 'unknown');
  });

  it('a dump without CRIU keeps a ghost when it is a memfd, sealed or only mapped', async t => {
    await is(t, oddly(t, 'memfd'), 'criu', /a memfd: CRIU keeps it/, 'memfd:queue');
    await is(t, oddly(t, 'mapped-memfd'), 'criu', /a memfd: CRIU keeps it/, 'memfd:queue');
  });

  it('a dump without CRIU keeps a ghost when its inode has a name that no path on its mount leads to', async t =>
    expectGhost(
      await holder(
        t,
        'mkdir a b m; cp source a/ghost; ln a/ghost b/other; mount --bind a m; exec 9<>m/ghost; rm m/ghost',
      ),
      'ghost',
      'criu',
      /none on the mount it is open through/,
      'linked',
    ));

  it('a dump without CRIU keeps a ghost when another subvolume of its btrfs has a ghost of the same inode number', async t => {
    const held = await holder(
      t,
      `truncate -s 128M disk; mkfs.btrfs -q disk; mkdir m; mount -o loop disk m
       btrfs -q subvolume create m/a; btrfs -q subvolume create m/b; cp source m/a/one; cp source m/b/two
       [ $(stat -c %i m/a/one) = $(stat -c %i m/b/two) ]; exec 8<>m/a/one 9<>m/b/two; rm m/a/one m/b/two`,
    );
    assert.deepEqual(
      scanOf(held).map(({ keep }) => keep),
      ['criu', 'criu'],
    );
    const ghosts = await comesBack(held, [held.pid], [content, content]);
    assert.deepEqual(
      ghosts.map(({ path }) => path.slice(held.folder.length)),
      ['/m/a/one', '/m/b/two'],
    );
    const { stdout } = ghostkeep(['show', '-D', `${held.folder}/images`]);
    assert.match(stdout, /one$/m);
  });
});

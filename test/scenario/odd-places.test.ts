/**
 * Ghosts in places where a search by path would not find them. They are found, dumped and restored through
 * the holder's own descriptors.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import { ghostkeep, isRoot, workload } from './ghostkeep.js';
import { content, comesBack as dumpAndRestore, holder } from './odd-holder.js';

async function comesBack(t: TestContext, script: string, name: string, pids?: (pid: number) => number[]) {
  const held = await holder(t, script);
  const ghosts = await dumpAndRestore(held, pids?.(held.pid) ?? [held.pid]);
  assert.deepEqual(
    ghosts.map(ghost => [ghost.class, ghost.path.slice(ghost.path.lastIndexOf('/') + 1)]),
    [['unlinked', name]],
  );
}

const tmpfs = 'mkdir m && mount -t tmpfs test m && cp source m/ghost';

describe('ghosts in odd places', { skip: isRoot ? false : 'mounting needs root' }, () => {
  it('a ghost comes back when its mount is read-only by now', t =>
    comesBack(
      t,
      `${tmpfs}; exec 9<m/ghost; rm m/ghost; mount -o remount,bind,ro m; ! touch m/x 2>&-`,
      'ghost',
    ));

  it('a ghost comes back when another file system is mounted over its own', t =>
    comesBack(t, `${tmpfs}; exec 9<>m/ghost; rm m/ghost; mount -t tmpfs over m; [ ! -e m/source ]`, 'ghost'));

  it('a ghost comes back when it lies in a mount namespace below that of the first process', t =>
    comesBack(
      t,
      `mkdir n; echo 'mount -t tmpfs test n && cp source n/ghost && exec 8<>n/ghost && rm n/ghost && : >made && exec sleep 600' >child
       unshare --mount bash -ec "$(cat child)" & for i in $(seq 500); do [ -e made ] && break; sleep 0.02; done; [ -e made ]`,
      'ghost',
      pid => [
        pid,
        ...fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number),
      ],
    ));

  it('a ghost comes back when another file has taken its name since', t =>
    comesBack(t, `cp source ghost; exec 9<>ghost; rm ghost; echo another >ghost`, 'ghost'));

  it('a ghost comes back when a directory, or a link to another file, has its name by now', async t => {
    await comesBack(t, `cp source ghost; exec 9<>ghost; rm ghost; mkdir ghost`, 'ghost');
    await comesBack(t, `cp source ghost; exec 9<>ghost; rm ghost; ln -s /etc/passwd ghost`, 'ghost');
  });

  it('a ghost comes back when the folder that it lay in is gone too', t =>
    comesBack(t, `mkdir d; cp source d/ghost; exec 9<>d/ghost; rm -r d`, 'ghost'));

  it('a ghost comes back when its process is chrooted, with paths as the mount namespace shows them', async t => {
    const { pid, folder } = await holder(
      t,
      `mkdir -p root/data; cp ${workload} root/w; chroot root /w run /data small tail-odd >&2 &
       for i in $(seq 500); do [ -e root/data/ready ] && break; sleep 0.02; done; [ -e root/data/ready ]`,
    );
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    t.after(() => children.forEach(each => void spawnSync('kill', ['-9', each])));
    // The mount is not below the jail's root, so only a process outside the jail sees it.
    const targets = [String(pid), ...children].flatMap(each => ['--pid', each]);
    const dump = ghostkeep(['dump', ...targets, '-D', `${folder}/images`, '--json']);
    assert.equal(dump.status, 0, dump.stderr);
    const { ghosts } = JSON.parse(dump.stdout) as Manifest;
    assert.deepEqual(
      ghosts.map(({ class: is }) => is),
      ['unlinked', 'unlinked'],
    );
    assert.ok(
      ghosts.every(({ path }) => path.startsWith(`${folder}/root/data/`)),
      ghosts.map(({ path }) => path).join(),
    );
    assert.equal(ghostkeep(['verify', '-D', `${folder}/images`]).status, 0);
  });

  it('when two layers of an overlay have files of the same inode number, dump and restore do not mix them up', async t => {
    // Without xino, an overlay of two file systems shows the numbers of the layers below, and these collide.
    const { pid, folder } = await holder(
      t,
      `mkdir a b up m; for l in a b; do
         truncate -s 16M $l.disk; mke2fs -q -F -t ext4 -O ^has_journal $l.disk; mount -o loop $l.disk $l; done
       head -c 200000 source >a/one; head -c 100000 source >b/two; [ $(stat -c %i a/one) = $(stat -c %i b/two) ]
       mount -t tmpfs test up; mkdir up/u up/w
       mount -t overlay test -o lowerdir=a:b,upperdir=up/u,workdir=up/w,xino=off m
       exec 8<m/one 9<m/two; rm m/one m/two`,
    );
    const { stdout } = ghostkeep(['scan', '--pid', String(pid), '--json']);
    const { ghosts } = JSON.parse(stdout);
    const [one, two] = ghosts;
    assert.deepEqual([ghosts.length, one.ino === two.ino, one.dev === two.dev], [2, true, false]);
    for (const { keep, why } of ghosts) {
      assert.equal(keep, 'criu');
      assert.match(why, /same inode number on the same mount/);
    }
    // A dump without CRIU needs no key, so the equal keys do no harm.
    await dumpAndRestore({ folder }, [pid], [content.subarray(0, 200_000), content.subarray(0, 100_000)]);
  });
});

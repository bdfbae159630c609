/** Rounds onto disks that are full, that fail, that share blocks, and into directories that hold a checkpoint. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { failingDisk } from './failing-disk.js';
import { filesIn, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { assertDumped, content, gateDump, me, preDump } from './rounds.js';
import { smallDisk } from './small-disk.js';

const freeIn = (folder: string) => fs.statfsSync(folder).bavail * fs.statfsSync(folder).bsize;
const said = ({ ghosts }: ReturnType<typeof preDump>) => ghosts.map(({ done, why = '' }) => [done, why]);

describe('a round', () => {
  it('when its disk has not twice the room that a base takes, besides the reserve, it makes none', t => {
    const disk = smallDisk(t, '32m');
    if (!disk) return;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', content);
    const [[done, why] = []] = said(preDump(disk));
    assert.equal(done, 'nothing');
    assert.match(why ?? '', /they need 9 MiB, too much of the 32 MiB free/);
    assert.deepEqual(filesIn(disk), []);
  });

  it('when the container fills the disk meanwhile, the next round gives the room of its base back', async t => {
    const disk = smallDisk(t, '64m');
    if (!disk) return;
    const folder = temporaryFolder(t, '/dev/shm');
    const fd = ghostFile(t, folder, 'ghost', content);
    assert.deepEqual(said(preDump(disk)), [['base', '']]);
    const before = freeIn(disk);
    fs.writeFileSync(`${disk}/data`, Buffer.alloc(before - (20 << 20)));
    const [[done, why] = []] = said(preDump(disk));
    assert.equal(done, 'nothing');
    assert.match(why ?? '', /only 20\.?\d* MiB are free, and a base .* room that its container may need/);
    assert.ok(freeIn(disk) > (20 << 20) + content.length - (1 << 20));
    assert.deepEqual(filesIn(disk), ['data']);
    fs.rmSync(`${disk}/data`);
    fs.mkdirSync(`${disk}/images`);
    await gateDump(t, `${disk}/images`);
    assert.equal(assertDumped(`${disk}/images`, folder, fd), undefined);
  });

  it('when the disk becomes full while a ghost is copied, nothing of the base stays', t => {
    const disk = smallDisk(t, '64m');
    if (!disk) return;
    // To its file system the ghost has 4 MiB, and its image has all of it.
    const fd = ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(5 << 20));
    preDump(disk);
    for (let at = 0; at < 90 << 20; at += content.length) fs.writeSync(fd, content, 0, content.length, at);
    const [[done, why] = []] = said(preDump(disk));
    assert.equal(done, 'nothing');
    assert.match(why ?? '', /cannot write the image|no space|ENOSPC/i);
    assert.deepEqual(filesIn(disk), []);
  });

  it('when the disk loses what was written, there is no base of it', t => {
    const disk = failingDisk(t);
    if (!disk) return;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', content);
    const [[done, why] = []] = said(preDump(`${disk}/bases`));
    assert.equal(done, 'nothing');
    assert.match(why ?? '', /its disk has not taken the base: /);
    assert.deepEqual(filesIn(disk), []);
  });

  it('when the base is no longer in memory, the dump has every byte', async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const images = temporaryFolder(t);
    const fd = ghostFile(t, folder, 'ghost', content);
    preDump(images);
    const [base = ''] = filesIn(images);
    const evict = spawnSync('dd', [`if=${images}/${base}`, 'iflag=nocache', 'count=0'], { encoding: 'utf8' });
    assert.equal(evict.status, 0, evict.stderr);
    fs.writeSync(fd, 'changed', 4_000_000);
    await gateDump(t, images);
    assert.notEqual(assertDumped(images, folder, fd), undefined);
  });

  it('when the freeze will share blocks, only dirty pages are written to the disk', async t => {
    const disk = shareableDisk(t);
    if (!disk) return;
    const fd = fs.openSync(`${disk}/ghost`, 'wx+');
    t.after(() => fs.closeSync(fd));
    for (let at = 0; at < 4; at += 1) fs.writeSync(fd, content);
    fs.unlinkSync(`${disk}/ghost`);
    assert.deepEqual(said(preDump(`${disk}/images`)), [['written-back', '']]);
    assert.deepEqual(filesIn(disk), []);
    await gateDump(t, `${disk}/images`);
    assert.equal(assertDumped(`${disk}/images`, temporaryFolder(t), fd), undefined);
    fs.closeSync(fd);
    fs.openSync('/dev/null', 'r');
  });

  for (const name of ['inventory.img', 'ghostkeep-manifest.json'])
    it(`when its directory has ${name}, it is a checkpoint's, and gets no base`, t => {
      const folder = temporaryFolder(t);
      fs.writeFileSync(`${folder}/${name}`, '{}');
      ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', content);
      const { status, stderr } = ghostkeep(['pre-dump', '--pid', me, '-D', folder]);
      assert.equal(status, 1);
      assert.match(stderr, /cannot put bases into .*: it holds a checkpoint; choose .* \[BAD_INPUT\]/);
      assert.deepEqual(fs.readdirSync(folder), [name]);
    });
});

/** An xfs that shares blocks; undefined where none can be made. */
function shareableDisk(t: TestContext): string | undefined {
  if (!needs(t, isRoot, 'a loop device needs root')) return undefined;
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-xfs-'));
  const [device, mounted] = [`${folder}/device`, `${folder}/mounted`];
  const run = (...words: [string, ...string[]]) => spawnSync(words[0], words.slice(1)).status === 0;
  t.after(() => {
    run('umount', mounted);
    fs.rmSync(folder, { recursive: true });
  });
  fs.writeFileSync(device, '');
  fs.truncateSync(device, 320 << 20);
  fs.mkdirSync(mounted);
  const made = run('mkfs.xfs', '-q', '-f', device) && run('mount', '-o', 'loop', device, mounted);
  return needs(t, made, 'no xfs on a loop device here') ? mounted : undefined;
}

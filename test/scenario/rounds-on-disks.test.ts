/** Rounds onto disks that are full, that fail, that share blocks, and into directories that hold a checkpoint. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { failingDisk } from './failing-disk.js';
import { filesIn, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { loopDisk } from './loop-disk.js';
import { assertDumped, content, gateDump, killWatchers, me, preDump } from './rounds.js';
import { smallDisk } from './small-disk.js';

const freeIn = (folder: string) => fs.statfsSync(folder).bavail * fs.statfsSync(folder).bsize;
const said = ({ ghosts }: ReturnType<typeof preDump>) => ghosts.map(({ done, why = '' }) => [done, why]);

describe('a round', () => {
  it('when a base and its reserve would leave less than 256 MiB, a round makes no base', t => {
    const disk = smallDisk(t, '256m');
    if (!disk) return;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', content);
    const [[done, why] = []] = said(preDump(disk));
    assert.equal(done, 'nothing');
    assert.match(why ?? '', /they need 9 MiB, too much of the 256 MiB free/);
    assert.deepEqual(filesIn(disk), []);
  });

  it('when the container fills the disk and nobody watches, the next round gives the room of its base back', async t => {
    const disk = smallDisk(t, '400m');
    if (!disk) return;
    const folder = temporaryFolder(t, '/dev/shm');
    const fd = ghostFile(t, folder, 'ghost', content);
    assert.deepEqual(said(preDump(disk)), [['base', '']]);
    killWatchers(disk);
    const before = freeIn(disk);
    fs.writeFileSync(`${disk}/data`, Buffer.alloc(before - (20 << 20)));
    const [[done, why] = []] = said(preDump(disk));
    assert.equal(done, 'nothing');
    // The process that watches the room again may have removed the base first.
    assert.match(why ?? '', /only 20\.?\d* MiB are free, and a base |they need 9 MiB, too much of the /);
    assert.ok(freeIn(disk) > (20 << 20) + content.length - (1 << 20));
    assert.deepEqual(filesIn(disk), ['data']);
    fs.rmSync(`${disk}/data`);
    fs.mkdirSync(`${disk}/images`);
    await gateDump(t, `${disk}/images`);
    assert.equal(assertDumped(`${disk}/images`, folder, fd), undefined);
  });

  it('when a ghost has grown beyond the room on its disk, nothing of the base stays', t => {
    const disk = smallDisk(t, '300m');
    if (!disk) return;
    const fd = ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', randomBytes(5 << 20));
    preDump(disk);
    for (let at = 0; at < 320 << 20; at += content.length) fs.writeSync(fd, content, 0, content.length, at);
    const [[done, why] = []] = said(preDump(disk));
    assert.equal(done, 'nothing');
    assert.match(why ?? '', /are free, and a base of it would take room that its container may need/);
    assert.deepEqual(filesIn(disk), []);
  });

  it('when the disk loses the base that a round has written, the round reports it and keeps no base', t => {
    const disk = failingDisk(t);
    if (!disk) return;
    ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', content);
    const [[done, why] = []] = said(preDump(`${disk}/bases`));
    assert.equal(done, 'nothing');
    assert.match(why ?? '', /its disk has not taken the base: /);
    assert.deepEqual(filesIn(disk), []);
  });

  it('when the base is no longer in the page cache, the dump has every byte', async t => {
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

  it('when the dump will share blocks, a round only writes dirty pages to the disk, and makes no base', async t => {
    const disk = loopDisk(t, 640 << 20, 'mkfs.xfs', '-q', '-f');
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
    it(`when the directory of a round has ${name}, it is a checkpoint's, and the round puts no base there`, t => {
      const folder = temporaryFolder(t);
      fs.writeFileSync(`${folder}/${name}`, '{}');
      ghostFile(t, temporaryFolder(t, '/dev/shm'), 'ghost', content);
      const { status, stderr } = ghostkeep(['pre-dump', '--pid', me, '-D', folder]);
      assert.equal(status, 1);
      assert.match(stderr, /cannot put bases into .*: it holds a checkpoint; choose .* \[BAD_INPUT\]/);
      assert.deepEqual(fs.readdirSync(folder), [name]);
    });
});

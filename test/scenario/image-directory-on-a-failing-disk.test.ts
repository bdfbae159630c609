import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { filesIn, ghostFile, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';

const ghostBytes = 12 << 20;

/** An ext4 that believes to have 60 MiB, on a disk that has 6: write(2) succeeds, and the disk takes nothing of it. */
function failingDisk(t: TestContext): string | undefined {
  if (!needs(t, isRoot, 'a loop device needs root')) return undefined;
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-failing-'));
  const [device, mounted] = [path.join(folder, 'device'), path.join(folder, 'mounted')];
  const run = (...words: [string, ...string[]]) => spawnSync(words[0], words.slice(1)).status === 0;
  t.after(() => {
    run('umount', mounted);
    run('umount', folder);
    fs.rmdirSync(folder);
  });
  const small = run('mount', '-t', 'tmpfs', '-o', 'size=6m', 'gk-test', folder);
  if (!needs(t, small, 'no tmpfs can be mounted here')) return undefined;
  fs.writeFileSync(device, '');
  fs.truncateSync(device, 64 << 20);
  fs.mkdirSync(mounted);
  const made =
    run('mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^has_journal', device) &&
    run('mount', '-o', 'loop', device, mounted);
  return needs(t, made, 'no ext4 on a loop device here') ? mounted : undefined;
}

describe('an image directory on a disk that fails after write(2) has returned', () => {
  it('a dump fails while its processes still have all, and leaves nothing half', t => {
    const disk = failingDisk(t);
    if (!disk) return;
    ghostFile(t, temporaryFolder(t), 'large', randomBytes(ghostBytes));
    const images = path.join(disk, 'images');
    const dump = (to: string) => ghostkeep(['dump', '--pid', String(process.pid), '-D', to]);
    const { status, stderr } = dump(images);
    assert.equal(status, 1);
    assert.match(stderr, /cannot write .*pending-1\.img to its disk, .* elsewhere \[(NO_SPACE|IO)\]/);
    assert.deepEqual(filesIn(images), []);
    assert.equal(dump(path.join(temporaryFolder(t), 'images')).status, 0);
  });

  it('verify says so of an image that only the page cache still has', t => {
    const disk = failingDisk(t);
    if (!disk) return;
    ghostFile(t, temporaryFolder(t), 'large', randomBytes(ghostBytes));
    const images = path.join(temporaryFolder(t), 'images');
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images, '--digest']).status, 0);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
    const copy = path.join(disk, 'images');
    fs.cpSync(images, copy, { recursive: true });
    const { status, stdout } = ghostkeep(['verify', '-D', copy]);
    assert.equal(status, 1);
    assert.match(
      stdout,
      /ghost-file-1\.img is damaged: the disk could not take what was written: .*\[IMAGE_INVALID\]/,
    );
    // The disk tells it once. A second time its bytes are read, and not what memory still has.
    assert.equal(ghostkeep(['verify', '-D', copy]).status, 1);
  });
});

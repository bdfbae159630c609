import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { failingDisk } from './failing-disk.js';
import { filesIn, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const ghostBytes = 12 << 20;

describe('an image directory on a disk that fails after write(2) has returned', () => {
  it('when the disk fails after write(2), a dump fails while its processes still hold all ghosts, and leaves no file', t => {
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

  it('verify reports an image that the disk has lost and only the page cache still has', t => {
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
    // The disk reports the fault only once. The second verify fails all the same, because it reads the bytes
    // from the disk and not from memory.
    assert.equal(ghostkeep(['verify', '-D', copy]).status, 1);
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { filesIn, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';
import { smallDisk } from './small-disk.js';

describe('an image directory without room', () => {
  it('when the disk is smaller than a ghost, the dump says how much is needed and how much is free, and leaves no file', t => {
    const disk = smallDisk(t, '2m');
    if (!disk) return;
    ghostFile(t, temporaryFolder(t), 'fits', 'small');
    ghostFile(t, temporaryFolder(t), 'large', randomBytes(4 << 20));
    const { status, stdout, stderr } = ghostkeep(['dump', '--pid', String(process.pid), '-D', disk]);
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /cannot dump ghost .*large\): no space left in .* 4 MiB allocated, .* free; make room .*\[NO_SPACE\]/,
    );
    assert.deepEqual(filesIn(disk), []);
  });

  it('when the ghosts fit but the reserve does not, the dump names the reserve and leaves no file', t => {
    const disk = smallDisk(t, '4m');
    if (!disk) return;
    ghostFile(t, temporaryFolder(t), 'fits', randomBytes(1 << 20));
    const { status, stderr } = ghostkeep(['dump', '--pid', String(process.pid), '-D', disk]);
    assert.equal(status, 1);
    assert.match(stderr, /cannot finish the dump: .* free in .* reserves 16 MiB; .*\[NO_SPACE\]/);
    assert.deepEqual(fs.readdirSync(disk), []);
  });
});

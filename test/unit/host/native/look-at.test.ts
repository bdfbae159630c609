import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { errnoOf } from '../../../../src/base/errors.js';
import { lookAt } from '../../../../src/host/native/look-at.js';

describe('lookAt', () => {
  it('when there are more descriptors than one call takes, each gets its own answer', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-look-at-'));
    const files = ['one', 'other'].map(name => path.join(folder, name));
    const fds = files.map(file => fs.openSync(file, 'w'));
    try {
      const nobody = 1_000_000;
      const asked = Array.from({ length: 1300 }, (_, n) => [...fds, nobody][n % 3] as number);
      const looks = [...lookAt('/proc/self', asked)];
      assert.deepEqual(
        looks.map(({ fd }) => fd),
        asked,
      );
      for (const [n, look] of looks.entries()) {
        if (n % 3 === 2) assert.equal('error' in look && errnoOf(look.error), 'ENOENT');
        else assert.equal('target' in look && look.target.toString(), files[n % 3]);
      }
    } finally {
      for (const fd of fds) fs.closeSync(fd);
      fs.rmSync(folder, { recursive: true });
    }
  });
});

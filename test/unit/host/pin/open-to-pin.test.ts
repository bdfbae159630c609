import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { openRegular } from '../../../../src/host/files/open-regular.js';
import { openToPin } from '../../../../src/host/pin/open-to-pin.js';

let top: string;
let link: string;
beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-pin-'));
  link = `${top}/link`;
  fs.writeFileSync(`${top}/file`, 'the file');
  fs.writeFileSync(`${top}/another`, 'another');
  assert.equal(spawnSync('mkfifo', [`${top}/fifo`]).status, 0);
  fs.symlinkSync(`${top}/file`, link);
});
afterEach(() => fs.rmSync(top, { recursive: true }));

/**
 * Just before the open with this number (from 0), the link is made to lead to TARGET, as if its descriptor
 * number had been used again.
 */
function swapBeforeOpen(t: TestContext, number: number, target: string): void {
  const { openSync } = fs;
  let opens = 0;
  t.mock.method(fs, 'openSync', (...args: Parameters<typeof openSync>) => {
    if (opens++ === number) {
      fs.unlinkSync(link);
      fs.symlinkSync(target, link);
    }
    return openSync(...args);
  });
}

function contentOf(t: TestContext, fd: number): string {
  t.after(() => fs.closeSync(fd));
  return fs.readFileSync(fd, 'utf8');
}

describe('a link that leads to another file after we looked at it', () => {
  for (const [what, target] of [
    ['a FIFO', 'fifo'],
    ['a folder', '.'],
    ['a device', '/dev/null'],
  ] as const)
    it(`when a link of /proc leads to ${what} before it is opened with O_PATH, the call does not open that`, t => {
      swapBeforeOpen(t, 0, path.resolve(top, target));
      assert.throws(() => openToPin(link), { code: 'EINVAL' });
    });

  it('when a link of /proc leads to another file after it is opened with O_PATH, the first file is opened', t => {
    swapBeforeOpen(t, 1, `${top}/another`);
    assert.equal(contentOf(t, openToPin(link)), 'the file');
  });

  it('when a link of /proc leads to a FIFO after it is opened with O_PATH, the first file is opened, for writing too', t => {
    swapBeforeOpen(t, 1, `${top}/fifo`);
    const fd = openToPin(link, true);
    assert.ok(fs.fstatSync(fd).isFile());
    fs.closeSync(fd);
  });
});

describe('a file in an image directory', () => {
  it('when a file in an image directory is a link or not regular, it is not opened', () => {
    assert.throws(() => openRegular(link, fs.constants.O_RDONLY), { code: 'ELOOP' });
    for (const other of ['fifo', '.'])
      assert.throws(() => openRegular(`${top}/${other}`, fs.constants.O_RDONLY), { code: 'EINVAL' });
  });
});

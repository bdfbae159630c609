import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { LinuxFiles } from '../../../../src/host/files/files.js';

const files = new LinuxFiles();
let top: string;
beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-files-'));
});
afterEach(() => fs.rmSync(top, { recursive: true }));

describe('LinuxFiles', () => {
  it('when a directory is made, its parents are made too; when it exists, that is no error', () => {
    files.makeDirectory(`${top}/a/b/c`, 0o700);
    files.makeDirectory(`${top}/a/b/c`, 0o700);
    assert.equal(fs.statSync(`${top}/a/b`).mode & 0o777, 0o700);
    fs.writeFileSync(`${top}/file`, '');
    assert.throws(() => files.makeDirectory(`${top}/file`), { code: 'EEXIST' });
    assert.throws(() => files.makeDirectory(`${top}/file/x`), { code: 'ENOTDIR' });
    // In this place Node's own way to make parents never ends.
    assert.throws(() => files.makeDirectory('/proc/gk-none/x'), { code: 'ENOENT' });
  });
});

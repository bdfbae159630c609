import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { canHoldAgain } from '../../../src/host/folder.js';

let top: string;
let mountId: number;
beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-folder-'));
  const fd = fs.openSync(top, 'r');
  mountId = Number(/mnt_id:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]);
  fs.closeSync(fd);
});
afterEach(() => fs.rmSync(top, { recursive: true }));

const holds = (folder: string, id = mountId) =>
  canHoldAgain('/', id, Buffer.from('/'), Buffer.from(`${top}${folder}`));

describe('canHoldAgain', () => {
  it('when the folder is there, or it and some above it are gone, it can', () => {
    fs.mkdirSync(`${top}/a/b`, { recursive: true });
    assert.deepEqual(
      ['', '/a/b', '/a/gone', '/gone/too'].map(folder => holds(folder)),
      [true, true, true, true],
    );
  });

  it('when it or one above it is a file by now, it cannot', () => {
    fs.writeFileSync(`${top}/file`, '');
    assert.deepEqual([holds('/file'), holds('/file/in'), holds('/file/in/it')], [false, false, false]);
  });

  it('when a symbolic link stands there or on the way, it cannot, wherever that leads', () => {
    fs.mkdirSync(`${top}/a/b`, { recursive: true });
    fs.symlinkSync('a', `${top}/link`);
    fs.symlinkSync('/nowhere', `${top}/broken`);
    fs.symlinkSync('loop', `${top}/loop`);
    assert.deepEqual(
      ['/link', '/link/b', '/link/gone', '/broken', '/broken/x', '/loop/x'].filter(folder => holds(folder)),
      [],
    );
  });

  it('when it is on another mount, it cannot', () => {
    assert.equal(holds('', mountId + 1), false);
  });

  it('when it is the root of the mount, nobody has to look', () => {
    assert.equal(canHoldAgain('/', 0, Buffer.from(top), Buffer.from(top)), true);
  });
});

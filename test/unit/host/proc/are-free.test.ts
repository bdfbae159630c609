import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { areFree } from '../../../../src/host/proc/are-free.js';

let top: string;
let mountId: number;
beforeEach(() => {
  top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-folder-'));
  const fd = fs.openSync(top, 'r');
  mountId = Number(/mnt_id:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]);
  fs.closeSync(fd);
});
afterEach(() => fs.rmSync(top, { recursive: true }));

const free = (folder: string, names = ['x'], id = mountId, mountPoint = '/') =>
  areFree(
    '/',
    id,
    Buffer.from(mountPoint),
    Buffer.from(`${top}${folder}`),
    names.map(name => Buffer.from(name)),
  );
const holds = (folder: string, id = mountId) => free(folder, ['x'], id)[0];

describe('areFree', () => {
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

  it('when something has the name, whatever it is, it is not free', () => {
    fs.mkdirSync(`${top}/folder`);
    fs.writeFileSync(`${top}/file`, '');
    fs.symlinkSync('/nowhere', `${top}/link`);
    assert.deepEqual(free('', ['folder', 'x', 'file', 'link', '\n']), [false, true, false, false, true]);
  });

  it('when a name cannot be looked for, that is an error and no answer', () => {
    assert.throws(() => free('', ['x', 'x'.repeat(256)]), { code: 'ENAMETOOLONG' });
  });

  it('when it is the root of the mount, names are looked for there', () => {
    fs.writeFileSync(`${top}/file`, '');
    assert.deepEqual(free('', ['file', 'x'], mountId, top), [false, true]);
  });

  it('when it is the root of all, too', () => {
    const rootId = Number(
      / (\d+) \d+ \S+ \S+ \/ /.exec(
        ` ${fs
          .readFileSync('/proc/self/mountinfo', 'utf8')
          .split('\n')
          .find(line => line.split(' ')[4] === '/')} `,
      )?.[1],
    );
    const names = ['proc', 'no such name'].map(name => Buffer.from(name));
    assert.deepEqual(areFree('/', rootId, Buffer.from('/'), Buffer.alloc(0), names), [false, true]);
  });
});

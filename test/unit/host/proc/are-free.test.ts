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
  it('when the folder exists, or it and some folders above it are gone, a file can be made there', () => {
    fs.mkdirSync(`${top}/a/b`, { recursive: true });
    assert.deepEqual(
      ['', '/a/b', '/a/gone', '/gone/too'].map(folder => holds(folder)),
      [true, true, true, true],
    );
  });

  it('when the folder or one above it is a file by now, no file can be made there', () => {
    fs.writeFileSync(`${top}/file`, '');
    assert.deepEqual([holds('/file'), holds('/file/in'), holds('/file/in/it')], [false, false, false]);
  });

  it('when the folder or one above it is a symbolic link, no file can be made there, wherever the link leads', () => {
    fs.mkdirSync(`${top}/a/b`, { recursive: true });
    fs.symlinkSync('a', `${top}/link`);
    fs.symlinkSync('/nowhere', `${top}/broken`);
    fs.symlinkSync('loop', `${top}/loop`);
    assert.deepEqual(
      ['/link', '/link/b', '/link/gone', '/broken', '/broken/x', '/loop/x'].filter(folder => holds(folder)),
      [],
    );
  });

  it('when the folder is on another mount than the ghost was, no name in it counts as free', () => {
    assert.equal(holds('', mountId + 1), false);
  });

  it('when a file of any type has the name, the name is not free', () => {
    fs.mkdirSync(`${top}/folder`);
    fs.writeFileSync(`${top}/file`, '');
    fs.symlinkSync('/nowhere', `${top}/link`);
    assert.deepEqual(free('', ['folder', 'x', 'file', 'link', '\n']), [false, true, false, false, true]);
  });

  it('when a name cannot be looked up, the call throws', () => {
    assert.throws(() => free('', ['x', 'x'.repeat(256)]), { code: 'ENAMETOOLONG' });
  });

  it('when the folder is the root of the mount, names are looked up there', () => {
    fs.writeFileSync(`${top}/file`, '');
    assert.deepEqual(free('', ['file', 'x'], mountId, top), [false, true]);
  });

  it('when the folder is the root of the namespace, names are looked up there', () => {
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

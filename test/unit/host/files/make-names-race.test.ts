/** Makes names of linked ghosts while another process renames all the time. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { makeNames } from '../../../../src/host/files/make-names.js';

/** Replaces FOLDER by a link to TARGET and back until it is killed, for 20 seconds at most. */
const swapper = `
  const fs = require('node:fs');
  const [folder, target] = process.argv.slice(1);
  const end = Date.now() + 20_000;
  process.stdout.write('ready');
  while (Date.now() < end) {
    fs.renameSync(folder, folder + '.moved');
    fs.symlinkSync(target, folder);
    fs.rmSync(folder);
    fs.renameSync(folder + '.moved', folder);
  }`;

const writes = async (fd: number) => void fs.writeSync(fd, 'content');

describe('makeNames, raced', () => {
  for (const [how, target] of [
    ['an absolute link', (outside: string) => outside],
    ['a link by dots', (outside: string) => `../${path.basename(outside)}`],
  ] as const)
    it(`when another process replaces a folder by ${how} again and again, no name is made outside`, async () => {
      const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
      const top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
      const listed = (start: string) => fs.readdirSync(top).filter(name => name.startsWith(start));
      fs.mkdirSync(`${top}/sub`);
      const racer = spawn(process.execPath, ['-e', swapper, `${top}/sub`, target(outside)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        await once(racer.stdout, 'data');
        let made = 0;
        for (let time = 0; time < 400 || (made === 0 && time < 20_000); time += 1) {
          try {
            await makeNames(
              top,
              [`sub/${time}`, `b${time}`].map(name => Buffer.from(name)),
              () => {},
              writes,
            );
            made += 1;
          } catch (error) {
            assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT', 'the folder was not there');
          }
          assert.deepEqual(fs.readdirSync(outside), []);
        }
        assert.ok(made > 0);
        racer.kill('SIGKILL');
        await once(racer, 'exit');
        assert.deepEqual(listed('.ghostkeep-'), []);
        assert.equal(listed('b').length, made);
      } finally {
        racer.kill('SIGKILL');
        fs.rmSync(outside, { recursive: true });
        fs.rmSync(top, { recursive: true });
      }
    });

  /** A folder, and a foreign file to put in the place of another one. */
  function raced(t: TestContext) {
    const top = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
    t.after(() => fs.rmSync(top, { recursive: true }));
    fs.mkdirSync(`${top}/sub`);
    fs.writeFileSync(`${top}/foreign`, 'foreign');
    return { top, read: (name: string) => fs.readFileSync(`${top}/${name}`, 'utf8') };
  }

  it('when another file takes the temporary name of the new file, the new names still belong to the new file', async t => {
    const { top, read } = raced(t);
    const swap = async (fd: number) => {
      await writes(fd);
      const [temporary = ''] = fs.readdirSync(top).filter(name => name.startsWith('.ghostkeep-'));
      fs.renameSync(`${top}/${temporary}`, `${top}/kept`);
      fs.renameSync(`${top}/foreign`, `${top}/${temporary}`);
    };
    assert.equal(await makeNames(top, [Buffer.from('a'), Buffer.from('sub/b')], () => {}, swap), 'file');
    assert.deepEqual([read('a'), read('sub/b')], ['content', 'content']);
  });

  it('when the file is removed while it is being filled, no name is made', async t => {
    const { top } = raced(t);
    const swap = async () => {
      for (const name of fs.readdirSync(top).filter(name => name.startsWith('.ghostkeep-')))
        fs.renameSync(`${top}/foreign`, `${top}/${name}`);
    };
    await assert.rejects(
      makeNames(top, [Buffer.from('a')], () => {}, swap),
      { code: 'ENOENT' },
    );
    assert.ok(!fs.existsSync(`${top}/a`));
  });

  it('when another file takes the existing name before the links are made, they still belong to the first file', async t => {
    const { top, read } = raced(t);
    fs.writeFileSync(`${top}/a`, 'content');
    const swap = () => {
      if (!fs.existsSync(`${top}/foreign`)) return;
      fs.renameSync(`${top}/a`, `${top}/kept`);
      fs.renameSync(`${top}/foreign`, `${top}/a`);
    };
    assert.equal(await makeNames(top, [Buffer.from('a'), Buffer.from('sub/b')], swap, writes), 'links');
    assert.equal(read('sub/b'), 'content');
  });

  /** Folders that may be made, and the modes and owners they have afterwards. */
  const makeable = (...names: string[]) =>
    names.map(name => ({ name: Buffer.from(name), mode: 0o46750, uid: process.getuid?.() ?? 0, gid: 0 }));
  const modeOf = (folder: string) => fs.statSync(folder).mode & 0o7777;

  it('missing folders are made where the image names them, without set-id bits, and others are not', async t => {
    const { top, read } = raced(t);
    const folders = makeable('new', 'new/deep').map(one => ({ ...one, gid: process.getgid?.() ?? 0 }));
    await makeNames(top, [Buffer.from('new/deep/a')], () => {}, writes, folders);
    assert.equal(read('new/deep/a'), 'content');
    assert.deepEqual([modeOf(`${top}/new`), modeOf(`${top}/new/deep`)], [0o750, 0o750]);
    await assert.rejects(
      makeNames(top, [Buffer.from('other/a')], () => {}, writes, folders),
      { code: 'ENOENT' },
    );
  });

  it('an existing folder keeps its mode, and nothing is made where a check refuses the folder above', async t => {
    const { top } = raced(t);
    fs.chmodSync(`${top}/sub`, 0o711);
    await makeNames(top, [Buffer.from('sub/a')], () => {}, writes, makeable('sub'));
    assert.equal(modeOf(`${top}/sub`), 0o711);
    const refuse = () => {
      throw new Error('refused');
    };
    await assert.rejects(makeNames(top, [Buffer.from('new/a')], refuse, writes, makeable('new')), /refused/);
    assert.ok(!fs.existsSync(`${top}/new`));
  });

  it('a link in the place of a missing folder is not followed out, and nothing is made through it', async t => {
    const { top } = raced(t);
    const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostkeep-names-'));
    t.after(() => fs.rmSync(outside, { recursive: true }));
    for (const target of [outside, `${outside}/missing`]) {
      fs.symlinkSync(target, `${top}/link`);
      await assert.rejects(
        makeNames(top, [Buffer.from('link/a')], () => {}, writes, makeable('link')),
        (error: NodeJS.ErrnoException) => error.code !== undefined,
      );
      assert.deepEqual(fs.readdirSync(outside), []);
      fs.rmSync(`${top}/link`);
    }
  });
});

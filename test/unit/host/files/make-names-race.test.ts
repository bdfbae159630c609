/** Names of linked ghosts, made where somebody else renames all the time. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { makeNames } from '../../../../src/host/files/make-names.js';

/** Swaps FOLDER for a link to TARGET and back until it is ended, and for 20 seconds at most. */
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
    it(`when somebody swaps a folder for ${how} all the time, nothing is made outside`, async () => {
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
        for (let time = 0; time < 400; time += 1) {
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
});

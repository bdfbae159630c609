import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { linuxHost } from '../../src/host/linux.js';
import { frame } from '../unit/move-stream.js';
import { temporaryFolder } from './ghostkeep.js';

describe('a frame whose length was changed on the way', () => {
  it('is given up although signs of life go on to come', t => {
    const folder = temporaryFolder(t);
    const fifo = `${folder}/fifo`;
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
    const head = frame('commit', 0, Buffer.alloc(0));
    head.writeUInt32LE(3200, 4);
    fs.writeFileSync(`${folder}/head`, head);
    const drip = `exec >"$1/fifo"; cat "$1/head"; for i in $(seq 60); do printf 0123456789abcdef; sleep 0.1; done`;
    const child = spawn('/bin/sh', ['-c', drip, 'sh', folder], { stdio: 'ignore' });
    t.after(() => child.kill('SIGKILL'));
    const fd = fs.openSync(fifo, 'r');
    const link = linuxHost().moving.openLink(fd, undefined, 400);
    const from = performance.now();
    assert.throws(() => link.receive(), /a frame of 3200 bytes has not come to its end in time/);
    assert.ok(performance.now() - from < 4000, 'it took as long as the signs of life did');
    link.close();
    fs.closeSync(fd);
  });
});

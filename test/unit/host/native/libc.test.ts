import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { listenerOn } from '../../../../src/host/native/libc.js';

describe('listenerOn', () => {
  const listen = `const s = require('node:net').createServer().listen(process.argv[1], +process.argv[2]);
    s.on('listening', () => console.log('ready')).on('connection', c => c.on('error', () => {}));`;

  it('listenerOn names the process that listens, and throws where none does', async t => {
    const folder = mkdtempSync(path.join(tmpdir(), 'ghostkeep-listener-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const socket = path.join(folder, 's');
    const server = spawn(process.execPath, ['-e', listen, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => server.kill('SIGKILL'));
    await once(server.stdout, 'data');
    assert.equal(listenerOn(socket), server.pid);
    assert.throws(() => listenerOn(`${socket}2`), { code: 'ENOENT' });
    assert.throws(() => listenerOn(folder), { code: 'ECONNREFUSED' });
    assert.throws(() => listenerOn(`/${'x'.repeat(107)}`), { code: 'ENAMETOOLONG' });
    assert.throws(() => listenerOn(`/${'x'.repeat(106)}`), { code: 'ENOENT' });
    server.kill('SIGKILL');
    await once(server, 'exit');
    assert.throws(() => listenerOn(socket), { code: 'ECONNREFUSED' });
  });

  it('listenerOn does not wait for a listener that accepts no connection', async t => {
    const folder = mkdtempSync(path.join(tmpdir(), 'ghostkeep-listener-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const socket = path.join(folder, 's');
    const server = spawn(process.execPath, ['-e', listen, socket, '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => server.kill('SIGKILL'));
    await once(server.stdout, 'data');
    server.kill('SIGSTOP');
    const answers = () => {
      for (let n = 0; n < 2000; n++) listenerOn(socket);
    };
    assert.throws(answers, { code: 'EAGAIN' });
  });
});

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fuseServer } from '../../scenario/fuse-server.js';
import { temporaryFolder } from '../../scenario/ghostkeep.js';

const node = ['--import', 'tsx', '--input-type=module', '-e'];

function program(waitMs: number, body: string): string[] {
  return [
    ...node,
    `import fs from 'node:fs';
     import { ProcessDeadline } from './src/host/deadline.ts';
     const deadline = new ProcessDeadline(${waitMs}, 7, 'too late\\n');
     ${body}`,
  ];
}

function run(waitMs: number, body: string) {
  const { status, stderr } = spawnSync(process.execPath, program(waitMs, body), {
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  return [status, stderr];
}

const block = (ms: number) => `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms});`;

describe('ProcessDeadline', () => {
  it('when the event loop is blocked, the process ends with its line and status', () => {
    assert.deepEqual(run(300, block(60_000)), [7, 'too late\n']);
  });

  it('when alive() is called in time, or the deadline is stopped, the process does not end', () => {
    const lives = `for (let n = 0; n < 18; n += 1) { ${block(250)} deadline.alive(); }`;
    assert.deepEqual(run(4000, lives), [0, '']);
    assert.deepEqual(run(2000, `deadline.stop(); ${block(2500)}`), [0, '']);
  });

  it('when the deadline has a folder, it removes the folder and its files, unless the folder contains another folder', t => {
    const top = temporaryFolder(t);
    for (const name of ['half', 'kept', 'kept/inside']) fs.mkdirSync(`${top}/${name}`);
    for (const name of ['half/a', 'half/b', 'kept/c', 'kept/inside/d'])
      fs.writeFileSync(`${top}/${name}`, '');
    const ends = (folder: string) =>
      run(300, `new ProcessDeadline(300, 7, 'too late\\n', '${folder}'); ${block(60_000)}`);
    assert.deepEqual(ends(`${top}/half`), [7, 'too late\n']);
    assert.deepEqual(ends(`${top}/kept`), [7, 'too late\n']);
    assert.deepEqual(fs.readdirSync(top, { recursive: true }).sort(), [
      'kept',
      'kept/inside',
      'kept/inside/d',
    ]);
  });

  it('when nobody reads stderr and its pipe is full, the process still ends', t => {
    const pipe = `${temporaryFolder(t)}/pipe`;
    const fill =
      'mkfifo "$0"; exec 9<>"$0"; dd if=/dev/zero bs=65536 count=1 >&9 2>/dev/null; exec "$@" 2>&9';
    // Node.js may have set O_NONBLOCK for stderr. This clears the flag, so that writing waits. Source:
    // asm-generic/fcntl.h, F_SETFL
    const waits = `import koffi from 'koffi'; koffi.load(null).func('int fcntl(int, int, int)')(2, 4, 0);`;
    const words = ['-c', fill, pipe, process.execPath, ...program(600, `${waits} ${block(60_000)}`)];
    assert.equal(spawnSync('sh', words, { timeout: 20_000, killSignal: 'SIGKILL' }).status, 7);
  });

  it('when a call waits for a server that has stopped, the process still ends', async t => {
    const server = await fuseServer(t);
    if (!server) return;
    fs.writeFileSync(`${server.source}/file`, 'far');
    server.stop();
    const body = `fs.statSync('${server.mount}/file');`;
    const child = spawn(process.execPath, program(300, body), { stdio: ['ignore', 'ignore', 'pipe'] });
    const late = Symbol('it hangs');
    const ended = new Promise(resolve => child.once('exit', resolve));
    const status = await Promise.race([ended, sleep(20_000, late, { ref: false })]);
    child.kill('SIGKILL');
    assert.equal(status, 7);
  });
});

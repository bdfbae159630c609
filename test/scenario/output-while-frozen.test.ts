/** Whoever reads the output of `dump --freeze` may be slow or stopped. The frozen processes do not wait for that. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

const count = 300;

/** A process with so many ghosts that their manifest fills a pipe. */
async function holder(t: TestContext, folder: string): Promise<ChildProcess> {
  const fds = Array.from({ length: count }, (_, n) => ghostFile(t, folder, `file-${n}`, 'x'.repeat(5000)));
  const child = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', ...fds] });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child;
}

const isStopped = ({ pid }: ChildProcess) =>
  /^State:\s+[Tt]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const start = Date.now(); !condition(); await sleep(5))
    assert.ok(Date.now() - start < 30_000, `within 30 s: ${what}`);
}

/**
 * Dumps into a directory of FOLDER. PIPED, which is stdout or stderr, is a pipe that is full already. Nothing
 * is read from it before the processes go on. @returns what comes out of the pipe, and the exit status
 */
async function dumpIntoAFullPipe(
  t: TestContext,
  { piped, folder, to = 'images' }: { piped: 1 | 2; folder: string; to?: string },
  ...options: string[]
): Promise<[string, number | null]> {
  const held = await holder(t, folder);
  const images = `${folder}/${to}`;
  const words = [...command, 'dump', '--tree', String(held.pid), '--freeze', '-D', images, ...options];
  const fill = `mkfifo '${folder}/pipe'; exec 9<>'${folder}/pipe'; dd if=/dev/zero bs=65536 count=1 >&9 2>/dev/null`;
  const child = spawn('sh', ['-c', `${fill}; exec '${words.join("' '")}' ${piped}>&9`], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await until('the dump freezes the process', () => isStopped(held) || child.exitCode !== null);
  await until('the process goes on', () => !isStopped(held));
  assert.equal(child.exitCode, null, 'the command waits for its reader');
  const reader = fs.createReadStream(`${folder}/pipe`);
  let text = '';
  reader.setEncoding('utf8').on('data', data => {
    text += data;
  });
  const [[status]] = await Promise.all([ended, once(reader, 'end')]);
  return [text.replaceAll('\0', ''), status];
}

describe('the frozen processes of a dump', () => {
  it('frozen processes go on when stderr is full, and the dump prints its messages at the end', {
    timeout: 120_000,
  }, async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const [text, status] = await dumpIntoAFullPipe(t, { piped: 2, folder }, '-v');
    assert.equal(status, 0, text);
    assert.equal(ghostkeep(['verify', `${folder}/images`]).status, 0);
    assert.match(text, new RegExp(`^ghostkeep: copied ${count} ghosts: `, 'm'));
  });

  it('frozen processes go on when stdout is full, and the document is whole', {
    timeout: 120_000,
  }, async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    const [text, status] = await dumpIntoAFullPipe(t, { piped: 1, folder }, '--json');
    assert.equal(status, 0, text);
    assert.equal(ghostkeep(['verify', `${folder}/images`]).status, 0);
    assert.equal((JSON.parse(text) as { ghosts: unknown[] }).ghosts.length, count);
  });

  it('frozen processes go on when the directory cannot be made, and the error cannot be printed yet', {
    timeout: 120_000,
  }, async t => {
    const folder = temporaryFolder(t, '/dev/shm');
    fs.writeFileSync(`${folder}/file`, '');
    const [text, status] = await dumpIntoAFullPipe(t, { piped: 2, folder, to: 'file/images' });
    assert.equal(status, 1, text);
    assert.match(text, /^ghostkeep: .*ENOTDIR/m);
  });
});

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it, type TestContext } from 'node:test';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { showDev } from '../../src/base/units.js';
import {
  ghostFile,
  ghostkeep,
  isRoot,
  needs,
  publicProgram,
  stoppedWorkload,
  temporaryFolder,
} from './ghostkeep.js';

/**
 * `pid dev/ino` of every regular file that lsof sees without a name: link count 0 (+L1), and what is only
 * mapped, for which lsof has no link count but says DEL.
 */
function lsof(pids: readonly number[]): Set<string> {
  const { stdout } = spawnSync('lsof', ['-n', '-P', '-p', pids.join(','), '-F', 'pftDik'], {
    encoding: 'utf8',
  });
  const found = new Set<string>();
  let pid = '';
  for (const file of stdout.split(/\n(?=[pf])/)) {
    const field = (key: string) => new RegExp(`^${key}(.*)$`, 'm').exec(file)?.[1];
    pid = field('p') ?? pid;
    if (field('t') !== 'REG' || (field('k') !== '0' && field('f') !== 'DEL')) continue;
    const dev = BigInt(field('D') ?? 0);
    found.add(`${pid} ${showDev(dev)}/${field('i')}`);
  }
  return found;
}

function memfd(t: TestContext): number {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const create = koffi.load('libc.so.6').func('int memfd_create(const char *, unsigned int)') as unknown as (
    name: string,
    flags: number,
  ) => number;
  const fd = create('gk-test', 0);
  t.after(() => fs.closeSync(fd));
  return fd;
}

describe('scan', () => {
  it('when processes hold some hundred ghosts, scan names the same regular files as lsof +L1', async t => {
    if (!needs(t, isRoot, 'map_files of other processes needs root')) return;
    if (!needs(t, spawnSync('lsof', ['-v']).status === 0, 'lsof is not installed')) return;
    const folder = temporaryFolder(t);
    for (let n = 0; n < 150; n += 1) ghostFile(t, folder, `file-${n}`, `content ${n}`);
    for (let n = 0; n < 100; n += 1) ghostFile(t, '/dev/shm', `gk-${process.pid}-${n}`, 'x'.repeat(n));
    memfd(t);
    const child = spawn('sleep', ['30'], { stdio: ['ignore', ghostFile(t, folder, 'out', ''), 'ignore'] });
    t.after(() => child.kill('SIGKILL'));
    const { pid, holders } = await stoppedWorkload(t, folder, ['deleted-exe', 'mapped', 'small', 'shared']);
    const pids = [process.pid, child.pid as number, pid, ...holders.map(holder => holder.pid)];

    const { status, stdout, stderr } = ghostkeep(['scan', '--all', '--json']);
    assert.equal(status, 0, stderr);
    const scan = JSON.parse(stdout) as Scan;
    const mine = new Set<string>();
    for (const ghost of scan.ghosts)
      for (const holder of ghost.holders)
        if (ghost.class === 'unlinked' && pids.includes(holder.pid))
          mine.add(`${holder.pid} ${ghost.dev}/${ghost.ino}`);

    const theirs = lsof(pids);
    assert.ok(theirs.size >= 255, `lsof saw ${theirs.size}`);
    assert.deepEqual([...mine].sort(), [...theirs].sort());
    const memfds = scan.ghosts.filter(({ path }) => path.startsWith('/memfd:gk-test'));
    assert.deepEqual(
      memfds.map(({ keep }) => keep),
      ['criu'],
    );
  });

  it('when the user has no privileges, scan names what it could not look at and succeeds', t => {
    const folder = temporaryFolder(t);
    ghostFile(t, folder, 'mine', 'x');
    const options = isRoot ? { uid: 65534, at: publicProgram(t), cwd: '/' } : {};
    const { status, stdout, stderr } = ghostkeep(['scan', '--all', '--json'], options);
    assert.equal(status, 0, stderr);
    const init = (JSON.parse(stdout) as Scan).unseen.find(({ pid, what }) => pid === 1 && what === 'fd');
    assert.match(init?.why ?? '', /EACCES|EPERM|Permission denied/);
  });

  it('when a user without privileges names a process of another user, scan fails', t => {
    const options = isRoot ? { uid: 65534, at: publicProgram(t), cwd: '/' } : {};
    const { status, stdout, stderr } = ghostkeep(['scan', '--pid', '1', '--json'], options);
    assert.equal(status, 1);
    assert.equal(JSON.parse(stdout).error.code, 'PERMISSION');
    assert.match(
      stderr,
      /cannot look at process 1: .*it takes root with CAP_SYS_PTRACE, .* \[PERMISSION\]\n$/,
    );
  });
});

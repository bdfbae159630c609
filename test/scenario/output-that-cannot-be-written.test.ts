import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { failingDisk } from './failing-disk.js';
import { command, ghostFile, isRoot, needs, temporaryFolder } from './ghostkeep.js';

/** Runs the program with stdout or stderr on /dev/full. */
function full(args: string[], which: 'stdout' | 'stderr') {
  const fd = fs.openSync('/dev/full', 'w');
  try {
    const stdio = which === 'stdout' ? (['ignore', fd, 'pipe'] as const) : (['ignore', 'pipe', fd] as const);
    return spawnSync(command[0], [...command.slice(1), ...args], { stdio: [...stdio], encoding: 'utf8' });
  } finally {
    fs.closeSync(fd);
  }
}

describe('output that cannot be written', () => {
  it('when stdout is on a full disk, the command fails with one line that ends in the error code', t => {
    const images = `${temporaryFolder(t)}/images`;
    ghostFile(t, temporaryFolder(t), 'ghost', 'content');
    const pid = String(process.pid);
    for (const args of [
      ['--help'],
      ['scan', '--help'],
      ['scan', '--pid', pid],
      ['scan', '--pid', pid, '--json'],
      ['dump', '--pid', pid, '-D', images],
      ['show', '-D', images, '--extents'],
    ]) {
      const { status, stderr } = full(args, 'stdout');
      assert.equal(status, 1, args.join(' '));
      assert.match(stderr, /^ghostkeep: cannot write to stdout: ENOSPC.* \[NO_SPACE\]\n$/, args.join(' '));
    }
    assert.ok(fs.existsSync(`${images}/ghostkeep-manifest.json`), 'the dump itself was done');
  });

  it('when stderr is on a full disk, the exit status stays the same', () => {
    assert.equal(full(['nonsense'], 'stderr').status, 2);
    assert.equal(full(['scan', '--container', 'gk-none'], 'stderr').status, 1);
  });

  it('when the reader of stdout has gone, the command does its work and prints no error', async t => {
    const folder = temporaryFolder(t);
    const images = `${folder}/images`;
    ghostFile(t, folder, 'ghost', 'content');
    const child = spawn(
      command[0],
      [...command.slice(1), 'dump', '--pid', String(process.pid), '-D', images],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    child.stdout.destroy();
    let said = '';
    child.stderr.on('data', (text: Buffer) => {
      said += text;
    });
    const status = await new Promise(resolve => child.on('close', resolve));
    assert.deepEqual([status, said], [0, '']);
    assert.ok(fs.existsSync(`${images}/ghostkeep-manifest.json`));
  });
});

/** A file whose disk cannot store the data that memory already has: the next fsync(2) fails, once. */
function lostFile(disk: string, name: string): number {
  const fd = fs.openSync(path.join(disk, name), 'wx');
  fs.writeSync(fd, randomBytes(12 << 20));
  return fd;
}

/** A command that has loaded the native library. Descriptors in STDIO are closed. */
function scan(stdio: ('ignore' | 'pipe' | number)[], ...args: string[]) {
  const ended = spawnSync(command[0], [...command.slice(1), 'scan', '--pid', String(process.pid), ...args], {
    stdio,
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  for (const fd of stdio) if (typeof fd === 'number') fs.closeSync(fd);
  return ended;
}

describe('output on a disk that fails after write(2) has returned', () => {
  it('when stderr is on a disk that fails after write(2), the command ends with its own status', t => {
    const disk = failingDisk(t);
    if (!disk) return;
    const { status, signal, stdout } = scan(['ignore', 'pipe', lostFile(disk, 'stderr')], '--json');
    assert.deepEqual([status, signal], [0, null]);
    assert.ok(JSON.parse(stdout));
  });

  it('when stdout is on a disk that fails after write(2), the command says so and fails', t => {
    const disk = failingDisk(t);
    if (!disk) return;
    const { status, signal, stderr } = scan(['ignore', lostFile(disk, 'stdout'), 'pipe'], '--json');
    assert.deepEqual([status, signal], [1, null]);
    assert.match(stderr, /^ghostkeep: cannot write to stdout: .* \[(IO|NO_SPACE)\]\n$/);
  });

  it('when stdout and stderr are on a disk that fails after write(2), the command fails, and ends', t => {
    const disk = failingDisk(t);
    if (!disk) return;
    const [out, err] = [lostFile(disk, 'stdout'), lostFile(disk, 'stderr')];
    const { status, signal } = scan(['ignore', out, err]);
    assert.deepEqual([status, signal], [1, null]);
  });
});

it('when the disk has room for the first part of stdout, the command says so and fails', t => {
  if (!needs(t, isRoot, 'a tmpfs needs root')) return;
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-page-'));
  t.after(() => {
    spawnSync('umount', [folder]);
    fs.rmdirSync(folder);
  });
  const { status: mounted } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'gk-test', folder]);
  if (!needs(t, mounted === 0, 'no tmpfs can be mounted here')) return;
  const fd = fs.openSync(`${folder}/stdout`, 'wx');
  fs.writeSync(fd, Buffer.alloc(4090));
  const { status, stderr } = scan(['ignore', fd, 'pipe']);
  assert.equal(fs.statSync(`${folder}/stdout`).size, 4096, 'a part was written');
  assert.equal(status, 1);
  assert.match(stderr, /^ghostkeep: cannot write to stdout: ENOSPC.* \[NO_SPACE\]\n$/);
});

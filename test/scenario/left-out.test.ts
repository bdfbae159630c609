/**
 * A dump without CRIU says which content it leaves out, and which content it may have copied while it
 * changed. The processes are real.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Manifest } from '../../src/base/documents/generated/manifest.js';
import type { Scan } from '../../src/base/documents/generated/scan.js';
import { LinuxProcesses } from '../../src/host/proc/processes.js';
import { ghostkeep, isRoot, needs, program, temporaryFolder } from './ghostkeep.js';

const source = fileURLToPath(new URL('left-out.c', import.meta.url));
const built = path.join(path.dirname(program), '../build/left-out');

before(() => {
  const made = spawnSync('cc', ['-Wall', '-pthread', '-o', built, source], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
});

/** A process that holds what KINDS say, with its ghosts made in FOLDER. */
async function holding(
  t: TestContext,
  folder: string,
  kinds: readonly string[],
  inherited?: number,
): Promise<{ pid: number; child: ChildProcess }> {
  const stdio = ['pipe', 'pipe', 'inherit', ...(inherited === undefined ? [] : [inherited])] as const;
  const child = spawn(built, [folder, ...kinds], { stdio: [...stdio] });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(() => assert.fail('it ended before it was ready'));
  ended.catch(() => {});
  await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), ended]);
  return { pid: child.pid as number, child };
}

/** SIGSTOP takes a moment to act. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const processes = new LinuxProcesses();
  while (!processes.isPaused(pid)) await new Promise(resolve => setImmediate(resolve));
}

function dump(pid: number, images: string, ...options: string[]) {
  const run = ghostkeep(['dump', '--pid', String(pid), '-D', images, '--json', ...options]);
  const manifest = () => JSON.parse(run.stdout) as Manifest;
  return { ...run, manifest };
}

const left = ({ leftOut = [] }: Manifest) => leftOut.map(({ path, inside }) => path ?? inside).sort();

describe('a dump without CRIU', () => {
  it('a dump without CRIU names on stderr, in the manifest and in show what it leaves out; --allow-missing accepts that', async t => {
    const folder = temporaryFolder(t);
    const kinds = ['registered', 'in-flight', 'segment', 'anonymous', 'aio', 'ghost'];
    const { pid } = await holding(t, folder, kinds);
    await stop(pid);
    const expected = [
      '/SYSV00000000',
      '/[aio]',
      '/dev/zero',
      `${folder.replaceAll('\\', '\\x5c')}/registered \\x5c file`,
      'unix socket',
    ].sort();

    const images = `${folder}/images`;
    const first = dump(pid, images);
    assert.equal(first.status, 1);
    assert.match(first.stderr, /\[GHOST_LEFT_OUT\]\n$/);
    for (const what of [
      /SYSV00000000.*SysV/,
      /registered .*io_uring/,
      /an aio ring/,
      /in flight .*SCM_RIGHTS/,
    ])
      assert.match(first.stderr, what);
    assert.deepEqual(left(first.manifest()), expected);
    const shown = ghostkeep(['show', '-D', images]).stdout;
    assert.equal(shown.match(/^not in the dump: /gm)?.length, 5);
    assert.deepEqual(left(JSON.parse(ghostkeep(['show', '-D', images, '--json']).stdout)), expected);

    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
    assert.equal(ghostkeep(['restore', '-D', images, '--to', `${folder}/again`]).status, 0);
    assert.equal(fs.readFileSync(`${folder}/again/ghost-1`).subarray(0, 5).toString(), 'ghost');

    const second = dump(pid, `${folder}/second`, '--allow-missing', '--require-frozen');
    assert.equal(second.status, 0, second.stderr);
    assert.deepEqual(left(second.manifest()), expected);
  });

  it('a dump that was killed before it named what it left out names that when it is sealed', async t => {
    const folder = temporaryFolder(t);
    const { pid } = await holding(t, folder, ['in-flight']);
    const images = `${folder}/images`;
    const { manifest } = dump(pid, images, '--allow-missing');
    // Leaves a dump as if it was killed before its seal.
    fs.mkdirSync(`${images}/ghostkeep`);
    fs.writeFileSync(`${images}/ghostkeep/journal.json`, JSON.stringify({ ...manifest(), state: 'dumped' }));
    fs.rmSync(`${images}/ghostkeep-manifest.json`);
    const seal = ghostkeep(['seal', '-D', images]);
    assert.equal(seal.status, 1, seal.stdout);
    assert.match(seal.stderr, /\[GHOST_LEFT_OUT\]\n$/);
    assert.equal(ghostkeep(['seal', '-D', images]).status, 0);
  });

  it('a dump of a process that has only ghosts leaves nothing out', async t => {
    const folder = temporaryFolder(t);
    const { pid } = await holding(t, folder, ['ghost', 'mapped']);
    const { status, manifest, stderr } = dump(pid, `${folder}/images`);
    assert.equal(status, 0, stderr);
    assert.deepEqual([manifest().ghosts.length, manifest().leftOut], [2, undefined]);
  });
});

describe('scan', () => {
  it('scan names files that no descriptor leads to, in words and in JSON', async t => {
    const folder = temporaryFolder(t);
    const { pid } = await holding(t, folder, ['registered', 'not-accepted']);
    const { unseen } = JSON.parse(ghostkeep(['scan', '--pid', String(pid), '--json']).stdout) as Scan;
    assert.deepEqual(unseen.map(({ inside }) => inside).sort(), ['io_uring', 'unix socket']);
    const { stdout } = ghostkeep(['scan', '--pid', String(pid)]);
    assert.match(stdout, /^fd \d+ of process \d+ \(.*registered .*\): registered with this io_uring/m);
    assert.match(stdout, /^fd \d+ of process \d+: a descriptor is in flight to this unix socket/m);
    assert.doesNotMatch(stdout, /not looked at/);
  });

  it('scan, and a dump without CRIU, name a removed file behind a loop device, and behind a partition of a loop device', async t => {
    if (!needs(t, isRoot, 'a loop device needs root')) return;
    const folder = temporaryFolder(t);
    const disk = `${folder}/disk`;
    fs.writeFileSync(disk, '');
    fs.truncateSync(disk, 4 << 20);
    const made = spawnSync('losetup', ['-f', '--show', '-P', disk], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    const device = made.stdout.trim();
    t.after(() => spawnSync('losetup', ['-d', device]));
    assert.equal(spawnSync('addpart', [device, '1', '0', '2048']).status, 0);
    t.after(() => spawnSync('delpart', [device, '1']));
    const part = `${folder}/part`;
    const [major, minor] = fs
      .readFileSync(`/sys/class/block/${path.basename(device)}p1/dev`, 'utf8')
      .trim()
      .split(':') as [string, string];
    assert.equal(spawnSync('mknod', [part, 'b', major, minor]).status, 0);

    for (const node of [device, part]) {
      const { pid, child } = await holding(t, node, ['device']);
      const seen = () =>
        (JSON.parse(ghostkeep(['scan', '--pid', String(pid), '--json']).stdout) as Scan).unseen;
      if (node === device) {
        assert.deepEqual(seen(), []);
        fs.unlinkSync(disk);
      }
      assert.deepEqual(
        seen().map(({ inside, path }) => [inside, path]),
        [['loop device', disk]],
      );
      const { status, manifest } = dump(pid, `${folder}/images-${path.basename(node)}`);
      assert.deepEqual([status, left(manifest())], [1, [disk]]);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
});

describe('a dump without CRIU of a running process', () => {
  it('a dump warns if a running process maps a ghost shared and writable, and fails with --require-frozen', async t => {
    const folder = temporaryFolder(t);
    const { pid } = await holding(t, folder, ['mapped']);
    const torn = new RegExp(`process ${pid} runs and can change ghost .*/mapped`);
    const first = dump(pid, `${folder}/images`);
    assert.equal(first.status, 0);
    assert.match(first.stderr, torn);
    const second = dump(pid, `${folder}/second`, '--require-frozen');
    assert.equal(second.status, 1);
    assert.equal(JSON.parse(second.stdout).error.code, 'NOT_FROZEN');
    assert.match(second.stderr, /\[NOT_FROZEN\]\n$/);
    await stop(pid);
    const third = dump(pid, `${folder}/second`, '--require-frozen');
    assert.deepEqual([third.status, third.stderr], [0, '']);
  });

  it('a dump fails with --require-frozen if a tracer has stopped the main thread only', async t => {
    const folder = temporaryFolder(t);
    const { pid } = await holding(t, folder, ['mapped', 'half-stopped']);
    assert.match(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'), /\) t /);
    const { status, stderr } = dump(pid, `${folder}/images`, '--require-frozen');
    assert.equal(status, 1);
    assert.match(stderr, /one of its threads/);
  });

  it('a dump warns if another process, which is not dumped, runs and maps the same ghost', async t => {
    const folder = temporaryFolder(t);
    const shared = fs.openSync(`${folder}/shared`, 'wx+');
    t.after(() => fs.closeSync(shared));
    fs.ftruncateSync(shared, 4096);
    fs.unlinkSync(`${folder}/shared`);
    const frozen = await holding(t, folder, ['inherited'], shared);
    const writer = await holding(t, folder, ['inherited'], shared);
    await stop(frozen.pid);
    const { status, stderr } = dump(frozen.pid, `${folder}/images`);
    assert.equal(status, 0);
    assert.match(stderr, new RegExp(`process ${writer.pid} runs and can change`));
    assert.equal(dump(frozen.pid, `${folder}/second`, '--require-frozen').status, 1);
    await stop(writer.pid);
    assert.equal(dump(frozen.pid, `${folder}/second`, '--require-frozen').status, 0);
  });
});

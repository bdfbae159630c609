/** A user sees how far a command has come when it takes longer than a second. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertDocument } from '../../src/base/documents/document.js';
import type { Checkpointed } from '../../src/base/documents/generated/checkpointed.js';
import { aRuntime } from './a-runtime.js';
import { command, ghostFile, ghostkeep, needs, temporaryFolder } from './ghostkeep.js';

const count = 1000;

/**
 * Dumps many ghosts. The dump is stopped for more than a second when it has begun to copy, so that it takes
 * that long on every machine. The files lie in memory, because a busy disk takes seconds for so many files.
 * @param shell runs the words that are put behind it
 * @param typed at the terminal, at the beginning
 * @param typedWhenSealed at the terminal, when the dump is sealed
 */
async function slowDump(
  t: TestContext,
  shell: readonly string[],
  options: readonly string[] = [],
  typed = '',
  typedWhenSealed = '',
) {
  const folder = temporaryFolder(t, '/dev/shm');
  for (let n = 1; n <= count; n += 1) ghostFile(t, folder, `file-${n}`, 'x'.repeat(5000));
  // On a busy machine a dump may end before it is stopped. Then we start another one.
  for (let time = 0; ; time += 1) {
    const ended = await stoppedDump(t, folder, `${folder}/images-${time}`, shell, options, [
      typed,
      typedWhenSealed,
    ]);
    if (ended.wasStopped) return ended;
    assert.ok(time < 20, 'no dump was stopped before its end');
  }
}

async function stoppedDump(
  t: TestContext,
  folder: string,
  images: string,
  shell: readonly string[],
  options: readonly string[],
  [typed, typedWhenSealed]: readonly [string, string],
) {
  const dump = [...command, 'dump', '--pid', String(process.pid), '-D', images, ...options];
  const [file = '', ...args] = shell;
  const child = spawn(
    file,
    args.map(word => word.replace('DUMP', () => `echo $$ >'${folder}/pid'; exec '${dump.join("' '")}'`)),
    { stdio: [typed === '' ? 'ignore' : 'pipe', 'pipe', 'pipe'] },
  );
  t.after(() => child.kill('SIGKILL'));
  child.stdin?.write(typed);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', text => {
      output[name] += text;
    });
  const ended = new Promise(resolve => child.on('close', resolve));
  const until = async (isSo: () => boolean, otherwise: string) => {
    const start = Date.now();
    while (!isSo() && child.exitCode === null) {
      assert.ok(Date.now() - start < 60_000, `${otherwise} within a minute`);
      await sleep(1);
    }
  };
  await until(() => fs.existsSync(`${images}/ghostkeep`), 'it has not begun to copy');
  const pid = Number(fs.readFileSync(`${folder}/pid`, 'utf8'));
  signal(pid, 'SIGSTOP');
  const wasStopped = fs.existsSync(`${images}/ghostkeep`);
  await sleep(1300);
  // script(1) stops with its child.
  for (const each of [pid, child.pid as number]) signal(each, 'SIGCONT');
  if (typedWhenSealed !== '') {
    await until(() => fs.existsSync(`${images}/ghostkeep-manifest.json`), 'it has not sealed the dump');
    await sleep(1000);
    assert.equal(child.exitCode, null, 'it does not wait with its last words');
    child.stdin?.write(typedWhenSealed);
  }
  const late = sleep(60_000, 'it waits for its terminal', { ref: false });
  assert.equal(await Promise.race([ended, late]), 0, output.stderr);
  return { ...output, images, wasStopped };
}

/** A process that has ended already is none of our concern. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {}
}

describe('progress', () => {
  it('a terminal shows how far a command has come, and the line is gone at the end', async t => {
    if (!needs(t, spawnSync('script', ['--version']).status === 0, 'script(1) is not installed')) return;
    const { stdout } = await slowDump(t, ['script', '-qec', 'DUMP', '/dev/null']);
    const lines = stdout.split('\r\x1b[K');
    assert.match(lines.slice(1, -1).join('\n'), /^[a-z ]+: [0-9]+%, .*[0-9]+ of 1000 (ghosts|files)$/m);
    assert.match(lines.at(-1) ?? '', /^dump without CRIU, sealed .*\r\n1000 ghosts\r\n$/s);
  });

  it('a terminal whose output was stopped by Ctrl-S does not stop a dump, whose processes may be frozen', async t => {
    const ctrlS = '\x13';
    const { images } = await slowDump(t, ['script', '-qec', 'DUMP >/dev/null', '/dev/null'], [], ctrlS);
    assert.equal(ghostkeep(['verify', images]).status, 0);
  });

  it('with --verbose, a stopped terminal gets its lines after the dump is sealed', async t => {
    const [ctrlS, ctrlQ] = ['\x13', '\x11'];
    const shell = ['script', '-qec', 'DUMP >/dev/null', '/dev/null'];
    const { stdout } = await slowDump(t, shell, ['--verbose'], ctrlS, ctrlQ);
    assert.match(stdout, /ghostkeep: copied 1000 ghosts: 4.8 MiB of data/);
  });

  it('a full pipe behind --progress does not stop a dump', async t => {
    const fill = 'p=$(mktemp -u); mkfifo "$p"; sleep 90 <"$p" >/dev/null 2>&1 & exec 3>"$p"; rm "$p"';
    const shell = `${fill}; dd if=/dev/zero bs=65536 count=1 >&3 2>/dev/null; DUMP`;
    const { images } = await slowDump(t, ['sh', '-c', shell], ['--progress', '3']);
    assert.equal(ghostkeep(['verify', images]).status, 0);
  });

  it('stderr that is not a terminal stays empty without --verbose and --progress', async t => {
    assert.equal((await slowDump(t, ['sh', '-c', 'DUMP'])).stderr, '');
  });

  it('with --verbose, stderr that is no terminal has lines, and what was copied', async t => {
    const { stderr } = await slowDump(t, ['sh', '-c', 'DUMP'], ['--verbose']);
    assert.match(stderr, /^ghostkeep: [a-z ]+: [0-9]+%, .*of 1000 (ghosts|files)$/m);
    assert.match(stderr, /^ghostkeep: copied 1000 ghosts: 4.8 MiB of data$/m);
  });

  it('with --verbose --json, stderr has JSON lines and stdout one document', async t => {
    const { stdout, stderr, images } = await slowDump(t, ['sh', '-c', 'DUMP'], ['-v', '--json']);
    assert.equal((JSON.parse(stdout) as { ghosts: unknown[] }).ghosts.length, count);
    const lines = stderr.trim().split('\n');
    for (const line of lines) assertDocument('ProgressStatus', JSON.parse(line), line, 'BAD_INPUT');
    assert.equal(ghostkeep(['verify', images, '-v']).stderr, '');
  });

  it('at the end of a checkpoint around a runtime, stderr says in words or in a document what was copied', async t => {
    for (const json of [false, true]) {
      const folder = temporaryFolder(t);
      const images = `${folder}/images`;
      const holder = spawn('sleep', ['600'], {
        stdio: ['ignore', 'ignore', 'ignore', ghostFile(t, folder, 'ghost', 'x'.repeat(3 << 20))],
      });
      t.after(() => holder.kill('SIGKILL'));
      await once(holder, 'spawn');
      const runtime = aRuntime(t, { pid: holder.pid as number, images });
      const around = ['--', runtime, 'checkpoint', '--image-path', images, 'web'];
      const { stdout, stderr, status } = ghostkeep(['checkpoint', ...(json ? ['--json'] : []), ...around]);
      assert.equal(status, 0, stderr);
      const said = '1 ghost, 3 MiB of data: 0 B copied before the freeze, 3 MiB while frozen; sealed in ';
      assert.equal(stderr.includes(`ghostkeep: ${said}${images}\n`), !json, stderr);
      if (!json) continue;
      const document = JSON.parse(stdout) as Checkpointed;
      assertDocument('Checkpointed', document, 'stdout', 'BAD_INPUT');
      assert.deepEqual([document.ghosts, document.bytes, document.whileFrozen], [1, 3 << 20, 3 << 20]);
    }
  });

  it('every command that moves bytes takes --verbose', t => {
    const folder = temporaryFolder(t);
    for (const name of 'scan recover dump pre-dump verify restore seal share pack dedup materialize forget checkpoint'.split(
      ' ',
    )) {
      const { stderr } = ghostkeep([name, '-v', '--verbose', '--gk-none'], { cwd: folder });
      assert.match(stderr, /'--gk-none'|the command after -- is missing/, name);
    }
  });
});

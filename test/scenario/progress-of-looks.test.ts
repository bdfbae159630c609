/** Commands that only look show how far they have come, too, when they take longer than a second. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Progress, type ProgressState } from '../../src/base/progress.js';
import { check } from '../../src/flows/check/check.js';
import { describeCriuAlone } from '../../src/flows/look/criu-alone.js';
import { openDump } from '../../src/flows/look/open-dump.js';
import { pageData } from '../../src/flows/look/page-data.js';
import { archives } from '../../src/host/archive/read-archive.js';
import { filesImage, regFile, remap, remapsImage } from '../unit/criu/images.js';
import { command, flows, ghostFile, ghostkeep, needs, temporaryFolder } from './ghostkeep.js';

const count = 300;
const hasScript = spawnSync('script', ['--version']).status === 0;

/**
 * Runs a command on a terminal. It is stopped for more than a second as soon as it has opened a file whose
 * link in /proc looks like OPENED, so that it takes that long on every machine.
 * @returns what the terminal got; undefined if the command ended before it was stopped
 */
async function stopped(t: TestContext, words: readonly string[], opened: RegExp) {
  const folder = temporaryFolder(t);
  const shell = `echo $$ >'${folder}/pid'; exec '${[...command, ...words].join("' '")}'`;
  const child = spawn('script', ['-qec', shell, '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    said += text;
  });
  const ended = once(child, 'close');
  const start = Date.now();
  for (;;) {
    if (child.exitCode !== null) return undefined;
    assert.ok(Date.now() - start < 60_000, 'it opens no such file within a minute');
    const pid = fs.existsSync(`${folder}/pid`) ? fs.readFileSync(`${folder}/pid`, 'utf8').trim() : '';
    if (pid !== '' && linksOf(pid).some(link => opened.test(link))) {
      const both = [Number(pid), child.pid as number];
      signal(Number(pid), 'SIGSTOP');
      await sleep(1300);
      // script(1) stops with its child.
      for (const each of both) signal(each, 'SIGCONT');
      await ended;
      return said;
    }
    await sleep(1);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {}
}

function linksOf(pid: string): string[] {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).map(fd => fs.readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

/** On a busy machine a command may end before it is stopped. Then we start another one. */
async function shownOnTerminal(t: TestContext, words: readonly string[], opened: RegExp): Promise<string> {
  for (let time = 0; time < 20; time += 1) {
    const said = await stopped(t, words, opened);
    const [, ...lines] = said?.split('\r\x1b[K') ?? [];
    if (lines.length > 1) return lines.slice(0, -1).join('\n');
  }
  return assert.fail(`${words.join(' ')} showed nothing on a terminal`);
}

function ghosts(t: TestContext, folder: string): void {
  for (let n = 1; n <= count; n += 1) ghostFile(t, folder, `file-${n}`, 'x'.repeat(5000));
}

/** All steps that WORK has told of, each as it was at its end. */
async function stepsOf(
  work: (context: ReturnType<typeof flows> & { progress: Progress }) => unknown,
): Promise<string[]> {
  const steps = new Map<string, ProgressState>();
  const progress: Progress = new Progress(
    () => 0,
    () => {
      const state = progress.look();
      if (state) steps.set(state.what, state);
    },
  );
  await work({ ...flows(), progress });
  return [...steps.values()].map(
    ({ what, itemsDone, items, item, part }) => `${what}: ${itemsDone} of ${items} ${item}, ${part}`,
  );
}

describe('the progress of commands that only look', () => {
  it('show and verify show on a terminal how much of a large archive they have read', async t => {
    if (!needs(t, hasScript, 'script(1) is not installed')) return;
    const folder = temporaryFolder(t);
    ghosts(t, folder);
    const images = `${folder}/tree/checkpoint`;
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    fs.writeFileSync(`${images}/pages-1.img`, '');
    fs.truncateSync(`${images}/pages-1.img`, 300 << 20);
    const archive = `${folder}/archive.tar`;
    execFileSync('tar', ['-C', `${folder}/tree`, '-cf', archive, '.']);
    for (const name of ['show', 'verify']) {
      const lines = await shownOnTerminal(t, [name, archive], /\/archive\.tar$/);
      assert.match(lines, /^reading the archive: \d+%, \d.* [KM]iB of 30\d.* MiB, /m);
    }
  });

  it('check shows on a terminal how far it has come', async t => {
    if (!needs(t, hasScript, 'script(1) is not installed')) return;
    const folder = temporaryFolder(t);
    ghosts(t, folder);
    const words = ['check', '--pid', String(process.pid), '-D', folder];
    const lines = await shownOnTerminal(t, words, /file-\d+ \(deleted\)$/);
    assert.match(lines, /^(looking at blocks|looking for refusals|copying a sample): \d+%, /m);
  });

  it('doctor shows on a terminal which examinations it waits for', async t => {
    if (!needs(t, hasScript, 'script(1) is not installed')) return;
    const folder = temporaryFolder(t);
    fs.writeFileSync(`${folder}/runc`, '#!/bin/sh\nsleep 6\n', { mode: 0o755 });
    const shell = `'${[...command, 'doctor'].join("' '")}'`;
    const { stdout } = spawnSync('script', ['-qec', shell, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${folder}:${process.env['PATH']}` },
    });
    const lines = stdout.split('\r\x1b[K').slice(1, -1);
    assert.ok(lines.length > 2, stdout);
    assert.match(lines.join('\n'), /^examining .*runtimes.*: \d+%, .*\d+ of 12 examinations$/m);
    const piped = ghostkeep(['doctor'], { env: { PATH: process.env['PATH'] ?? '' } });
    assert.equal(piped.stderr.includes('examining'), false);
  });

  it('check tells each of its steps to the end', async t => {
    const folder = temporaryFolder(t);
    ghosts(t, folder);
    const steps = await stepsOf(context => check(context, { pids: [process.pid] }, folder));
    assert.deepEqual(steps, [
      'looking for ghosts: 1 of 1 process, 1',
      `looking at blocks: ${count} of ${count} ghost, 1`,
      'copying a sample: 0 of 1 sample, 1',
      `looking for refusals: ${count} of ${count} ghost, 1`,
    ]);
  });

  it('show tells how far it has read ranges, and images of a checkpoint that CRIU made alone', async t => {
    const folder = temporaryFolder(t);
    ghosts(t, folder);
    const images = `${folder}/images`;
    assert.equal(ghostkeep(['dump', '--pid', String(process.pid), '-D', images]).status, 0);
    const ofPage = await stepsOf(async context => pageData(await openDump(context, archives, images)));
    assert.deepEqual(ofPage, [`looking where data lies: ${count} of ${count} ghost, 1`]);
    const ids = Array.from({ length: count }, (_, at) => at + 1);
    fs.writeFileSync(
      `${images}/files.img`,
      filesImage(...ids.map(id => regFile({ id, name: `/data/file-${id}` }))),
    );
    fs.writeFileSync(`${images}/remap-fpath.img`, remapsImage(...ids.map(id => remap(id, id, 1))));
    fs.writeFileSync(`${images}/inventory.img`, '');
    const ofCriu = await stepsOf(({ host, progress }) => describeCriuAlone(host.files, images, progress));
    assert.deepEqual(ofCriu, [`reading the images of ghosts: ${count} of ${count} ghost, 1`]);
  });

  it('show, check and doctor take --verbose', t => {
    const folder = temporaryFolder(t);
    for (const name of ['show', 'check', 'doctor']) {
      const { stderr } = ghostkeep([name, '-v', '--verbose', '--gk-none'], { cwd: folder });
      assert.match(stderr, /'--gk-none'/, name);
    }
  });
});

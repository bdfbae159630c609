/**
 * A process that writes into an image directory keeps all other writers out. Processes and locks are real.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { aRuntime } from './a-runtime.js';
import { endOfCriu, Gate } from './gate.js';
import { command, ghostkeep, type Run, temporaryFolder } from './ghostkeep.js';

interface Setting {
  folder: string;
  images: string;
}

function setting(t: TestContext): Setting {
  const folder = temporaryFolder(t);
  const images = `${folder}/images`;
  fs.mkdirSync(images);
  return { folder, images };
}

/** A process that holds a file without a name; the file's content is its former name. */
async function holder(t: TestContext, folder: string, name: string, times = 10_000): Promise<number> {
  const fd = fs.openSync(`${folder}/${name}`, 'wx+');
  fs.writeSync(fd, name.repeat(times));
  fs.unlinkSync(`${folder}/${name}`);
  const child = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  t.after(() => child.kill('SIGKILL'));
  fs.closeSync(fd);
  await once(child, 'spawn');
  return child.pid as number;
}

function start(t: TestContext, args: readonly string[]): { child: ChildProcess; ended: Promise<Run> } {
  const [file, ...words] = command;
  const child = spawn(file, [...words, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  return { child, ended: once(child, 'close').then(([status]) => ({ status, ...text })) };
}

const dump = (pid: number, images: string) => ['dump', '--pid', String(pid), '-D', images];
const pathsIn = (images: string) =>
  (JSON.parse(fs.readFileSync(`${images}/ghostkeep-manifest.json`, 'utf8')).ghosts as { path: string }[]).map(
    ({ path }) => path,
  );

async function there(file: string): Promise<void> {
  while (!fs.existsSync(file)) await sleep(5);
}

/** All files below FOLDER, with what shows that one was written. */
function stateOf(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => {
      const { ino, size, mtimeMs, ctimeMs } = fs.lstatSync(`${folder}/${name}`);
      return [name, ino, size, mtimeMs, ctimeMs].join(' ');
    })
    .sort();
}

/** Another process that owns IMAGES, and the words by which a refusal names it. */
async function owner(t: TestContext, images: string): Promise<ChildProcess> {
  const child = spawn('flock', ['--no-fork', images, 'sh', '-c', 'echo locked; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

function assertRefused(run: Run, owner: ChildProcess, what: string): void {
  assert.equal(run.status, 1, `${what}: ${run.stdout}${run.stderr}`);
  assert.match(run.stderr, new RegExp(`cannot use .*: process ${owner.pid} \\(.*\\[IN_USE\\]`), what);
}

describe('an image directory', () => {
  it('when two dumps begin at the same moment, one gets the directory and keeps all its ghosts, and the other is refused', async t => {
    const { folder } = setting(t);
    const pids = [await holder(t, folder, 'one'), await holder(t, folder, 'two')];
    for (let round = 0; round < 5; round += 1) {
      const images = `${folder}/round-${round}`;
      const runs = await Promise.all(pids.map(pid => start(t, dump(pid, images)).ended));
      assert.deepEqual(runs.map(run => run.status).sort(), [0, 1], JSON.stringify(runs));
      const winner = runs.findIndex(run => run.status === 0);
      // The first dump may have ended before the second one began.
      assert.match(runs[1 - winner]?.stderr ?? '', /\[IN_USE\]|there is a dump in it already/);
      const name = ['one', 'two'][winner] as string;
      assert.deepEqual(pathsIn(images), [`${folder}/${name}`]);
      assert.ok(fs.readFileSync(`${images}/ghost-file-1.img`).includes(name.repeat(10_000)));
    }
  });

  it('when a process owns the directory, commands that write there are refused and remove nothing; commands that only read are not', async t => {
    const { folder, images } = setting(t);
    const pid = await holder(t, folder, 'ghost');
    const sealed = `${folder}/sealed`;
    assert.equal(ghostkeep(dump(pid, sealed)).status, 0);
    const journal = `${sealed}/ghostkeep/journal.json`;
    const other = [await owner(t, images), await owner(t, sealed)] as const;

    assertRefused(ghostkeep(dump(pid, images)), other[0], 'dump');
    assert.deepEqual(fs.readdirSync(images), []);
    for (const args of [['seal'], ['materialize', '--preserve-allocation']])
      assertRefused(ghostkeep([...args, '-D', sealed]), other[1], args[0] as string);
    for (const args of [['verify'], ['show'], ['materialize'], ['restore', '--to', `${folder}/back`]])
      assert.equal(ghostkeep([...args, '-D', sealed]).status, 0, args[0]);

    const gate = new Gate(t, 'dump', sealed);
    const checkpoint = start(t, [
      'checkpoint',
      '--',
      aRuntime(t, { pid, images: sealed }),
      'checkpoint',
      '--image-path',
      sealed,
      'web',
    ]);
    assertRefused(await checkpoint.ended, other[1], 'checkpoint');
    const [refusal = ''] = await gate.answer();
    assert.match(refusal, new RegExp(`^refuse cannot use .*: process ${other[1].pid} .*\\[IN_USE\\]$`));
    assert.equal(await gate.end(), 1);
    assert.deepEqual(pathsIn(sealed), [`${folder}/ghost`]);
    assert.ok(!fs.existsSync(journal));
  });

  it('when a process owns the directory, no command that works on many checkpoints writes there, in a parent or in a child', async t => {
    const { folder } = setting(t);
    const pid = await holder(t, folder, 'ghost', 1_000_000);
    const [parent, child, next, empty] = ['parent', 'child', 'next', 'empty'].map(
      name => `${folder}/${name}`,
    ) as [string, string, string, string];
    for (const images of [parent, child, next])
      assert.equal(ghostkeep([...dump(pid, images), '--digest']).status, 0);
    assert.equal(ghostkeep(['pack', '-D', child, '--parent', parent]).status, 0);
    fs.mkdirSync(empty);
    const before = stateOf(folder);
    const writers: [owned: string, ...args: string[]][] = [
      ...[next, parent].map((owned): [string, ...string[]] => [
        owned,
        'pack',
        '-D',
        next,
        '--parent',
        parent,
      ]),
      ...[next, parent].map((owned): [string, ...string[]] => [owned, 'share', '-D', next, parent]),
      ...[child, parent].flatMap((owned): [string, ...string[]][] => [
        [owned, 'dedup', '-D', child, '--discard-older'],
        [owned, 'forget', '-D', parent],
        [owned, 'restore', '-D', child, '--auto-dedup', '--to', `${folder}/back`],
      ]),
      [child, 'materialize', '-D', child],
      [child, 'materialize', '-D', child, '--to', `${folder}/back`],
      [next, 'verify', '--repair', '-D', next],
    ];
    const isRefused = async ([owned, ...args]: (typeof writers)[number]) => {
      const other = await owner(t, owned);
      assertRefused(await start(t, args).ended, other, `${args[0]}, ${owned} is another process's`);
      other.kill('SIGKILL');
      await once(other, 'exit');
    };
    for (const writer of writers) await isRefused(writer);
    // These two commands wait five seconds for the owner.
    await Promise.all([
      isRefused([next, 'send-images', '-D', next, '--via', 'cat']),
      isRefused([empty, 'pre-dump', '--pid', String(pid), '-D', empty]),
    ]);
    assert.deepEqual(stateOf(folder), before);
  });

  it('when the owner is killed in the middle of a dump, the next dump gets the directory at once', async t => {
    const { folder, images } = setting(t);
    const pid = await holder(t, folder, 'ghost');
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    assert.match(ghostkeep(dump(pid, images)).stderr, /\(.*gate dump\) is writing there.*\[IN_USE\]/);
    await gate.ask(`checkpoint ${pid}`);
    assert.match(ghostkeep(dump(pid, images)).stderr, /there is a dump in it already/);
    await gate.kill();
    fs.rmSync(`${images}/ghostkeep`, { recursive: true });
    assert.equal(ghostkeep(dump(pid, images)).status, 0);
  });

  it('when the owner is about to end, the next checkpoint waits for it', async t => {
    const { folder, images } = setting(t);
    const pid = await holder(t, folder, 'ghost');
    const first = new Gate(t, 'dump', images);
    await first.answer();
    const second = new Gate(t, 'dump', images);
    await first.end();
    assert.match((await second.answer())[0] ?? '', /^ready/);
    const [key = ''] = await second.ask(`checkpoint ${pid}`);
    endOfCriu(images, key.slice('external '.length));
    assert.deepEqual(await second.ask('finish 0'), ['done']);
    // The directory is free as soon as the gate has closed its socket, though the helper may still run.
    await second.leave();
    assert.equal(ghostkeep(['seal', '-D', images]).status, 0);
  });

  it('when CRIU has written all files but not ended, another process may seal the dump, and no process may begin another dump', async t => {
    const { folder, images } = setting(t);
    const pid = await holder(t, folder, 'ghost');
    const gate = new Gate(t, 'dump', images);
    await gate.answer();
    const [key = ''] = await gate.ask(`checkpoint ${pid}`);
    const early = ghostkeep(['seal', '-D', images]);
    assert.match(early.stderr, /CRIU has not finished.*\[SEAL_FAILED\]/);
    endOfCriu(images, key.slice('external '.length));
    const other = new Gate(t, 'dump', images);
    assert.match(
      (await other.answer())[0] ?? '',
      /^refuse .*gate dump\) is still to finish a dump there.*\[IN_USE\]$/,
    );
    assert.equal(ghostkeep(['seal', '-D', images]).status, 0);
    assert.deepEqual(await gate.ask('finish 0'), ['done']);
    assert.equal(await gate.end(), 0);
    assert.deepEqual(pathsIn(images), [`${folder}/ghost`]);
    assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
  });

  it('when the directory is removed and made again during a dump, that dump writes nothing into the new one, and fails', async t => {
    const { folder } = setting(t);
    const pid = await holder(t, folder, 'large', 1 << 23);
    const other = await holder(t, folder, 'other');
    for (let round = 0; ; round += 1) {
      const images = `${folder}/round-${round}`;
      const { child, ended } = start(t, dump(pid, images));
      await there(`${images}/ghostkeep`);
      child.kill('SIGSTOP');
      const isSealed = fs.existsSync(`${images}/ghostkeep-manifest.json`);
      fs.rmSync(images, { recursive: true });
      assert.equal(ghostkeep(dump(other, images)).status, 0);
      child.kill('SIGCONT');
      const { status } = await ended;
      assert.deepEqual(pathsIn(images), [`${folder}/other`]);
      assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
      assert.ok(isSealed || status === 1);
      // The dump may have finished before it was stopped.
      if (!isSealed) break;
      assert.ok(round < 20);
    }
  });

  it('when the process that started us has locked the directory, that lock counts as ours', async t => {
    const { folder } = setting(t);
    const pid = await holder(t, folder, 'ghost');
    const scripts = {
      'flock(1) around the command': 'flock "$0" "$@"',
      'a descriptor of the shell': 'exec 9<"$0"; flock 9; "$@"',
    };
    for (const [name, script] of Object.entries(scripts)) {
      const images = `${folder}/${name}`;
      fs.mkdirSync(images);
      const args = ['-c', script, images, ...command, ...dump(pid, images)];
      const child = spawn('sh', args, { stdio: ['ignore', 'ignore', 'inherit'] });
      t.after(() => child.kill('SIGKILL'));
      assert.deepEqual(await once(child, 'close'), [0, null], name);
    }
  });
});

describe('ghostkeep checkpoint', () => {
  for (const gate of [false, true])
    it(`when ${gate ? 'the gate is installed as well' : 'there is no gate'}, no other process can begin a dump there while CRIU runs`, async t => {
      const { folder, images } = setting(t);
      const pid = await holder(t, folder, 'ghost');
      const until = `${folder}/go`;
      const runtime = aRuntime(t, { pid, images, gate, until });
      const around = (command: string) => ['checkpoint', '--', command, 'checkpoint', '--image-path', images];
      const { child, ended } = start(t, [...around(runtime), 'web']);
      const early = ended.then(run => assert.fail(`it ended before CRIU was at work: ${run.stderr}`));
      early.catch(() => {});
      await Promise.race([there(runtime.replace(/runc$/, 'frozen')), early]);

      const other = await holder(t, folder, 'other');
      const dumped = ghostkeep(dump(other, images));
      assert.equal(dumped.status, 1);
      assert.match(dumped.stderr, /there is a dump in it already/);
      const second = await start(t, [...around(aRuntime(t, { pid: other, images })), 'web']).ended;
      assert.equal(second.status, 1);
      assert.match(second.stderr, /\[IN_USE\]/);
      const foreign = new Gate(t, 'dump', images);
      assert.match((await foreign.answer())[0] ?? '', /^refuse .*\[IN_USE\]$/);
      if (!gate)
        assert.match(second.stderr, new RegExp(`process ${child.pid} \\(.* is still to finish a dump`));

      fs.writeFileSync(until, '');
      const run = await ended;
      assert.equal(run.status, 0, run.stderr);
      assert.deepEqual(pathsIn(images), [`${folder}/ghost`]);
      assert.equal(ghostkeep(['verify', '-D', images]).status, 0);
    });
});

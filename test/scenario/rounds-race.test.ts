/**
 * Writers of every kind race the rounds, and the freeze comes at a random moment: the dump must equal a plain
 * read. GHOSTKEEP_SEED repeats one run; GHOSTKEEP_RACES says how many there are on each file system.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readManifest } from '../../src/image/manifest.js';
import { randomFrom, seed } from '../random.js';
import { endOfCriu, Gate } from './gate.js';
import { command, flows, ghostkeep, program, temporaryFolder } from './ghostkeep.js';
import { loopDisk } from './loop-disk.js';

const source = path.join(path.dirname(program), '../test/scenario/writers.c');
const writers = path.join(path.dirname(program), '../build/test-writers');
/** Ghosts that were dumped over a base: without any, no race has proved anything. */
let overBases = 0;
const races = Number(process.env['GHOSTKEEP_RACES'] ?? 3);

before(() => {
  const args = ['-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-O2', '-pthread', '-o', writers, source];
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

async function startWriters(t: TestContext, folder: string, seed: number): Promise<ChildProcess> {
  const child = spawn(writers, [folder, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [said] = await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, 'data'),
    once(child, 'exit').then(() => assert.fail('the writers have ended')),
  ]);
  t.diagnostic(String(said).trim());
  return child;
}

/** Stops the process. A thread that is in a system call stops only when the call has ended. */
async function freeze({ pid = 0 }: ChildProcess): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const isStopped = (task: string) =>
    / T /.test(fs.readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1').replace(/^.*\)/, ''));
  while (!fs.readdirSync(`/proc/${pid}/task`).every(isStopped)) await sleep(1);
}

function round(folder: string, pid: number): ChildProcess {
  const [file, ...words] = command;
  const args = [...words, 'pre-dump', '--pid', String(pid), '-D', folder];
  return spawn(file, args, { stdio: 'ignore' });
}

async function race(t: TestContext, parent: string, seed: number): Promise<void> {
  const chance = randomFrom(seed);
  const folder = temporaryFolder(t, parent);
  const [images, bases, to] = ['images', 'bases', 'back'].map(name => `${folder}/${name}`) as [
    string,
    string,
    string,
  ];
  fs.mkdirSync(images);
  const child = await startWriters(t, folder, seed);
  const pid = child.pid as number;
  const place = chance(2) === 0 ? images : bases;
  for (let left = chance(5); left > 0; left -= 1) {
    const one = round(place, pid);
    const ended = once(one, 'exit');
    if (chance(4) === 0) {
      await sleep(chance(300));
      one.kill('SIGKILL');
    }
    await ended;
  }
  const last = round(place, pid);
  const ended = once(last, 'exit');
  await sleep(chance(400));
  await freeze(child);
  // CRIU dumps again into the directory of a dump that was killed; without CRIU that is refused.
  const isKilled = chance(3) === 0;
  if (isKilled) await killHelper(t, images, pid, chance(150));
  if (isKilled || chance(2) === 0) await dumpByGate(t, images, pid, chance(2) === 0);
  else await dumpAlone(images, bases, pid);
  await ended;
  assertSame(images, to, pid);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Kills the helper at any moment: before it has taken a base, while it copies, or when it waits for CRIU. */
async function killHelper(t: TestContext, images: string, pid: number, afterMs: number): Promise<void> {
  const gate = new Gate(t, 'dump', images);
  assert.match((await gate.answer())[0] ?? '', /^ready/);
  gate.say(`checkpoint ${pid}`);
  await sleep(afterMs);
  await gate.kill();
}

async function dumpByGate(t: TestContext, images: string, pid: number, failsFirst: boolean): Promise<void> {
  for (const result of failsFirst ? [-1, 0] : [0]) {
    const gate = new Gate(t, 'dump', images);
    assert.match((await gate.answer())[0] ?? '', /^ready/);
    const lines = await gate.ask(`checkpoint ${pid}`);
    assert.equal(lines.at(-1), 'done');
    if (result === 0) endOfCriu(images, ...lines.slice(0, -1).map(key => key.slice('external '.length)));
    assert.deepEqual(await gate.ask(`finish ${result}`), ['done']);
    assert.equal(await gate.end(), 0);
  }
}

/** The last round may still be the owner of the directory, which a dump does not wait for. */
async function dumpAlone(images: string, bases: string, pid: number): Promise<void> {
  const args = ['dump', '--pid', String(pid), '-D', images];
  const dump = () => ghostkeep(fs.existsSync(bases) ? [...args, '--base', bases] : args);
  let ended = dump();
  for (let tries = 0; tries < 100 && ended.stderr.includes('[IN_USE]'); tries += 1) {
    await sleep(100);
    ended = dump();
  }
  assert.equal(ended.status, 0, ended.stderr);
}

function assertSame(images: string, to: string, pid: number): void {
  const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to]);
  assert.equal(status, 0, stderr);
  const { ghosts } = readManifest(flows().host.files, images);
  const held = fs
    .readdirSync(`/proc/${pid}/fd`)
    .map(fd => `/proc/${pid}/fd/${fd}`)
    .filter(fd => fs.statSync(fd).isFile() && fs.statSync(fd).nlink === 0);
  const inodes = new Map(held.map(fd => [fs.statSync(fd).ino, fd]));
  // A thread of the writer that is frozen between two files has none. The other threads have theirs.
  assert.ok(inodes.size > 0);
  assert.equal(ghosts.length, inodes.size);
  overBases += ghosts.filter(({ data }) => data?.kept !== undefined).length;
  for (const [ino, fd] of inodes) {
    const ghost = ghosts.find(each => each.ino === ino);
    const name = fs.readdirSync(to).find(each => each === `ghost-${ghost?.id}`);
    assert.ok(name !== undefined, `no ${ghost?.id} among ${fs.readdirSync(to).join()}`);
    assert.ok(fs.readFileSync(fd).equals(fs.readFileSync(`${to}/${name}`)), `${fd} has other bytes`);
  }
}

const sharing: Record<string, [string, ...string[]]> = {
  xfs: ['mkfs.xfs', '-q', '-f', '-m', 'reflink=1'],
  btrfs: ['mkfs.btrfs', '-q', '-f'],
};

describe('rounds while writers of every kind are at work', () => {
  const places = ['/dev/shm', tmpdir()];
  for (const [index, parent] of places.entries())
    for (let count = 0; count < races; count += 1) {
      const one = seed + index * races + count;
      it(`when the freeze comes at a random moment on ${parent}, the dump equals a read (GHOSTKEEP_SEED=${one})`, t =>
        race(t, parent, one));
    }

  for (const [index, [name, mkfs]] of Object.entries(sharing).entries()) {
    const one = seed + places.length * races + index;
    it(`when the freeze comes at a random moment on ${name}, whose blocks are shared, the dump equals a read (GHOSTKEEP_SEED=${one})`, async t => {
      const disk = loopDisk(t, 2 ** 30, ...mkfs);
      if (disk) await race(t, disk, one);
    });
  }

  it('when more rounds race with writers until one dump was over a base, that dump equals a read, too', async t => {
    for (let more = 0; overBases === 0; more += 1) {
      assert.ok(more < 50, 'no round had left a base before the freeze');
      await race(t, '/dev/shm', seed + 2 * races + 2 + more);
    }
    t.diagnostic(`${overBases} ghosts were dumped over a base`);
  });
});

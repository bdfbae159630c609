/**
 * SIGKILL of `dedup` and of `--auto-dedup` at any time, and power cuts: the child is whole, a parent is whole or
 * says what it gave up, and the same command goes on. GHOSTKEEP_KILLS and GHOSTKEEP_CUTS set how often, and
 * GHOSTKEEP_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GhostkeepError } from '../../src/base/errors.js';
import { dedup as dedupFlow } from '../../src/flows/dedup/dedup.js';
import { unpack } from '../../src/flows/history/unpack.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { randomFrom, seed } from '../random.js';
import { command, flows, ghostkeep, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Contents, type Night, nights } from './history-of-ghosts.js';
import { onLoopDevice, run, unmount } from './loop-device.js';
import { memory } from './nights.js';

const kills = Number(process.env['GHOSTKEEP_KILLS'] ?? 5);
const cuts = Number(process.env['GHOSTKEEP_CUTS'] ?? 3);
/** If the command has ended before the kill or the cut comes, that try does not count, and we try again. */
const mostTries = 4;
/** A ghost of this size is moved in three pieces. */
const bytes = 10 << 20;

interface Kind {
  name: string;
  /** Commands that bring three nights into the state that the command begins with. */
  before: (disk: string) => string[][];
  command: (disk: string) => string[];
  /** Runs the command once more without a process of its own, which takes half as long. */
  again: (disk: string) => Promise<unknown>;
  /** The directory of the files or images that the last night is moved to. */
  to?: (disk: string) => string;
}

const pack = (disk: string, night: number) => [
  ...['pack', '-D', `${disk}/night-${night}`, '--parent', `${disk}/night-${night - 1}`],
];
const dedup = (disk: string, night: number) => [
  ...['dedup', '-D', `${disk}/night-${night}`, '--discard-older'],
];
const dedupAgain = (disk: string) => dedupFlow(flows(), { images: `${disk}/night-2`, discardOlder: true });
const packed = (disk: string) => [pack(disk, 1), pack(disk, 2)];
const deduplicated = (disk: string) => [...packed(disk), dedup(disk, 2)];

const kinds: Kind[] = [
  { name: 'dedup of an image', before: packed, command: disk => dedup(disk, 2), again: dedupAgain },
  {
    name: 'dedup of a layer',
    before: disk => [pack(disk, 1), dedup(disk, 1), pack(disk, 2)],
    command: disk => dedup(disk, 2),
    again: dedupAgain,
  },
  {
    name: 'materialize --to',
    before: deduplicated,
    command: disk => ['materialize', `${disk}/night-2`, '--to', `${disk}/to`, '--auto-dedup'],
    again: disk => unpack(flows(), { images: `${disk}/night-2`, to: `${disk}/to`, autoDedup: true }),
    to: disk => `${disk}/to`,
  },
  {
    name: 'materialize',
    before: deduplicated,
    command: disk => ['materialize', `${disk}/night-2`, '--auto-dedup'],
    again: disk => unpack(flows(), { images: `${disk}/night-2`, autoDedup: true }),
  },
  {
    name: 'restore',
    before: deduplicated,
    command: disk => ['restore', '-D', `${disk}/night-2`, '--to', `${disk}/to`, '--auto-dedup'],
    again: disk => restoreGhosts(flows(), { images: `${disk}/night-2`, to: `${disk}/to`, autoDedup: true }),
    to: disk => `${disk}/to`,
  },
];

function done(args: readonly string[]): void {
  const { status, stderr, stdout } = ghostkeep(args, { waitMs: 120_000 });
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}${stdout}`);
}

/** A checkpoint comes back as the files were, or no file comes back and the error is GIVEN_UP. */
async function assertWholeOrGiven(t: TestContext, images: string, contents: Contents): Promise<void> {
  const to = `${temporaryFolder(t, memory)}/back`;
  try {
    await restoreGhosts(flows(), { images, to });
  } catch (error) {
    assert.ok(error instanceof GhostkeepError && error.code === 'GIVEN_UP', `${images}: ${error}`);
    assert.deepEqual(fs.readdirSync(to), [], images);
    return;
  } finally {
    fs.rmSync(to, { recursive: true, force: true });
  }
  await assertHolds(t, images, contents, memory);
}

async function assertEnd(t: TestContext, { to, name }: Kind, disk: string, last: Night): Promise<void> {
  const [content] = [...last.contents.values()];
  if (name === 'restore')
    assert.ok(
      fs.readFileSync(`${to?.(disk)}/ghost-1`).equals(content as Buffer),
      `${name} made another file`,
    );
  else await assertHolds(t, to?.(disk) ?? `${disk}/night-2`, last.contents, memory);
}

async function assertAfter(t: TestContext, kind: Kind, disk: string, all: readonly Night[]): Promise<void> {
  for (const [night, { contents }] of all.entries())
    await assertWholeOrGiven(t, `${disk}/night-${night}`, contents);
  if (kind.name.startsWith('dedup'))
    await assertHolds(t, `${disk}/night-2`, all[2]?.contents as Contents, memory);
  await kind.again(disk);
  await assertEnd(t, kind, disk, all[2] as Night);
}

interface Prepared {
  kind: Kind;
  from: string;
  /** As far as we know, the command takes at most this long on this machine. */
  takesMs: number;
}

/** The state that each kind begins with, and how long it takes. */
function prepare(folder: string, all: readonly Night[]): Prepared[] {
  return kinds.map((kind, index) => {
    const from = `${folder}/from-${index}`;
    fs.mkdirSync(from);
    for (const { images } of all) run('cp', '-a', images, from);
    for (const args of kind.before(from)) done(args);
    run('cp', '-a', from, `${from}-timed`);
    const begun = performance.now();
    done(kind.command(`${from}-timed`));
    const takesMs = Math.ceil(performance.now() - begun);
    fs.rmSync(`${from}-timed`, { recursive: true });
    return { kind, from, takesMs };
  });
}

function start(args: readonly string[]) {
  const [file, ...words] = [...command, ...args] as [string, ...string[]];
  const child = spawn(file, words, { stdio: 'ignore' });
  return { child, ended: once(child, 'exit') };
}

describe('a command that gives bytes up', () => {
  it(`a command that gives bytes up loses nothing when it is killed at any time (GHOSTKEEP_SEED=${seed})`, async t => {
    const random = randomFrom(seed);
    const folder = temporaryFolder(t, memory);
    const all = await nights(t, 3, bytes, folder);
    const prepared = prepare(folder, all);
    let killed = 0;
    for (let round = 0; killed < kills; round += 1) {
      assert.ok(round < mostTries * kills, 'most kills come too late on this machine');
      const one = prepared[round % prepared.length] as Prepared;
      const { kind, from } = one;
      const disk = `${folder}/disk`;
      run('cp', '-a', '--sparse=always', from, disk);
      const waitMs = random(one.takesMs);
      const { child, ended } = start(kind.command(disk));
      await sleep(waitMs);
      child.kill('SIGKILL');
      const [, signal] = await ended;
      if (signal === 'SIGKILL') killed += 1;
      else one.takesMs = waitMs;
      try {
        await assertAfter(t, kind, disk, all);
      } catch (error) {
        throw new Error(`seed ${seed}, round ${round}: ${kind.name} after ${waitMs} ms: ${error}`, {
          cause: error,
        });
      }
      fs.rmSync(disk, { recursive: true });
    }
    t.diagnostic(`${killed} points`);
  });

  it(`a command that gives bytes up loses nothing when the power is cut (GHOSTKEEP_SEED=${seed})`, async t => {
    if (!needs(t, isRoot, 'mounting needs root')) return;
    const random = randomFrom(seed + 1);
    const folder = temporaryFolder(t, memory);
    const all = await nights(t, 3, bytes, folder);
    const prepared = prepare(folder, all);
    // A copy of the disk's file that shares the blocks of that file is the disk as it is at one moment.
    const host = onLoopDevice(t, 'xfs', '1G', memory);
    const [file, copy, mounted] = [`${host}/disk`, `${host}/copy`, `${folder}/mounted`];
    fs.mkdirSync(mounted);
    let inTime = 0;
    for (let round = 0; inTime < cuts; round += 1) {
      assert.ok(round < mostTries * cuts, 'most cuts come too late on this machine');
      const one = prepared[round % prepared.length] as Prepared;
      const { kind, from } = one;
      run('truncate', '-s', '128M', file);
      run('mke2fs', '-q', '-F', '-t', 'ext4', file);
      run('mount', '-o', 'loop', file, mounted);
      const waitMs = random(one.takesMs);
      try {
        run('cp', '-a', '--sparse=always', from, `${mounted}/d`);
        run('sync', '-f', mounted);
        const { child, ended } = start(kind.command(`${mounted}/d`));
        await sleep(waitMs);
        if (child.exitCode === null) inTime += 1;
        else one.takesMs = waitMs;
        run('cp', '--reflink=always', file, copy);
        await ended;
      } finally {
        await unmount(mounted);
      }
      run('mount', '-o', 'loop', copy, mounted);
      try {
        await assertAfter(t, kind, `${mounted}/d`, all);
      } catch (error) {
        throw new Error(`seed ${seed}, round ${round}: ${kind.name}, cut after ${waitMs} ms: ${error}`, {
          cause: error,
        });
      } finally {
        await unmount(mounted);
      }
      fs.rmSync(copy);
      fs.rmSync(file);
    }
    t.diagnostic(`${inTime} cuts`);
  });
});

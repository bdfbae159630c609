/** A ghost of this process, rounds of it, and dumps after them: for the scenarios of rounds. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readManifest } from '../../src/image/manifest.js';
import { endOfCriu, Gate } from './gate.js';
import { filesIn, flows, ghostFile, ghostkeep, temporaryFolder } from './ghostkeep.js';

export const content = randomBytes(9 << 20);
export const me = String(process.pid);

/** The ghost lies on tmpfs, because a round makes no base where blocks can be shared. */
export function setUp(t: TestContext) {
  const folder = temporaryFolder(t, '/dev/shm');
  const [images, bases] = [`${folder}/images`, `${folder}/bases`];
  fs.mkdirSync(images);
  return { folder, images, bases, fd: ghostFile(t, folder, 'ghost', content) };
}

export function preDump(folder: string, ...more: string[]) {
  const { status, stdout, stderr } = ghostkeep(['pre-dump', '--pid', me, '-D', folder, '--json', ...more]);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as {
    ghosts: { done: string; why?: string }[];
    rounds: { bytes: number; differed: number }[];
  };
}

export interface HowDumped {
  /** CRIU's result. */
  finish?: number;
  /** Called after the warm pass. There is one, because the container is not paused before. */
  afterWarm?: () => void;
}

export async function gateDump(t: TestContext, images: string, { finish = 0, afterWarm }: HowDumped = {}) {
  const gate = new Gate(t, 'dump', images);
  assert.match((await gate.answer())[0] ?? '', /^ready/);
  if (afterWarm) {
    assert.deepEqual(await gate.ask(`warm ${me}`), ['done']);
    afterWarm();
  }
  const keys = (await gate.ask(`checkpoint ${me}`)).slice(0, -1);
  if (finish === 0) endOfCriu(images, ...keys.map(key => key.slice('external '.length)));
  assert.deepEqual(await gate.ask(`finish ${finish}`), ['done']);
  assert.equal(await gate.end(), 0);
}

export function bytesOf(fd: number): Buffer {
  const bytes = Buffer.alloc(fs.fstatSync(fd).size);
  fs.readSync(fd, bytes, 0, bytes.length, 0);
  return bytes;
}

/** @returns how much of the image was there before */
export function assertDumped(images: string, folder: string, fd: number): number | undefined {
  const { ghosts } = readManifest(flows().host.files, images);
  const ino = fs.fstatSync(fd).ino;
  const ghost = ghosts.find(each => each.ino === ino);
  assert.ok(ghost);
  const to = `${folder}/restored`;
  const { status, stderr } = ghostkeep(['restore', '-D', images, '--to', to, '--ghost', String(ghost.id)]);
  assert.equal(status, 0, stderr);
  const [name = ''] = filesIn(to);
  assert.ok(bytesOf(fd).equals(fs.readFileSync(`${to}/${name}`)), 'other bytes');
  return ghost.data?.kept as number | undefined;
}

/** @param kind rough: those that a round is still at work on */
export const basesIn = (folder: string, kind = 'base') =>
  fs.existsSync(`${folder}/ghostkeep`)
    ? fs.readdirSync(`${folder}/ghostkeep`).filter(name => name.startsWith(`${kind}-`))
    : [];

/** The processes that watch the room of bases in FOLDER. Each has a child, which is not in the list. */
export function watchersOf(folder: string): number[] {
  const all = processesOf(folder);
  return all.filter(({ parent }) => all.every(({ pid }) => pid !== parent)).map(({ pid }) => pid);
}

/** Kills the processes that watch, with their children, so that nobody watches. */
export function killWatchers(folder: string): void {
  for (let all = processesOf(folder); all.length > 0; all = processesOf(folder))
    for (const { pid } of all)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // The process has ended meanwhile.
      }
}

function processesOf(folder: string): { pid: number; parent: number }[] {
  return fs
    .readdirSync('/proc')
    .filter(name => /^[0-9]+$/.test(name))
    .flatMap(pid => {
      try {
        // A process that has ended has no command line.
        if (!fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`watch-bases\0${folder}\0`)) return [];
        const [, parent] = /^PPid:\t(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
        return [{ pid: Number(pid), parent: Number(parent) }];
      } catch {
        return [];
      }
    });
}

/** @returns how many bytes one file could take until the disk was full */
export async function fill(disk: string): Promise<number> {
  const file = `${disk}/filled`;
  const dd = spawn('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: Buffer[] = [];
  dd.stderr.on('data', part => said.push(part));
  await once(dd, 'exit');
  assert.match(Buffer.concat(said).toString(), /No space left/);
  const { size } = fs.statSync(file);
  fs.rmSync(file);
  spawnSync('sync', ['-f', disk]);
  return size;
}

export async function until(what: string, is: () => boolean): Promise<void> {
  for (let left = 6000; !is(); left -= 1) {
    assert.ok(left > 0, what);
    await sleep(10);
  }
}

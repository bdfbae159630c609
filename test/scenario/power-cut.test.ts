/**
 * Power cuts while `pack`, `materialize`, `forget`, `share` and `dump` run. The file system under test lies in a
 * file on xfs. A copy of that file that shares its blocks is taken in one moment, and has what the disk would
 * have had: nothing of what the kernel still keeps in memory. It is mounted, and every checkpoint that was
 * finished must be there with every byte.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GhostkeepError } from '../../src/base/errors.js';
import { forget } from '../../src/flows/forget/forget.js';
import { pack } from '../../src/flows/history/pack.js';
import { unpack } from '../../src/flows/history/unpack.js';
import { randomFrom, seed } from '../random.js';
import { command, flows, isRoot, needs, temporaryFolder } from './ghostkeep.js';
import { assertHolds, type Contents, LivingGhosts, unit } from './history-of-ghosts.js';
import { type LoopFilesystem, makeFilesystem, onLoopDevice, run, unmount } from './loop-device.js';
import { memory } from './nights.js';

/** The number of cuts for both file systems together. A longer run sets more. */
const cuts = Number(process.env['GHOSTKEEP_CUTS'] ?? 16);
/** A cut may come at any time of a command. Most take this long on an idle machine. */
const commandMs = 250;

/** A command that runs, and how to repeat it on a copy of the disk. */
interface Work {
  words: string[];
  /** While the command runs, this directory may hold anything, because its checkpoint is removed or made. */
  unsure?: string;
  again?: (disk: string) => Promise<unknown>;
  done: () => void;
}

class Disk {
  readonly #checkpoints = new Map<string, Contents>();
  readonly #ghosts: LivingGhosts;
  readonly #outer: string;
  readonly #inner: string;
  readonly #options: readonly string[];
  readonly #mounted = new Set<string>();
  readonly counts = new Map<string, number>();
  /** How long each kind of command took when it ran last. */
  readonly #tookMs = new Map<string, number>();
  /** Cuts that came when the command had ended. They are checked, and do not count. */
  late = 0;
  #made = 0;

  constructor(
    private readonly t: TestContext,
    private readonly filesystem: LoopFilesystem,
    private readonly random: (below: number) => number,
  ) {
    // The disk under test is what the inner file system has written into its file, wherever that lies.
    this.#outer = onLoopDevice(t, 'xfs', '2G', memory);
    // All copies of an xfs have the same uuid, so a copy could not be mounted beside the file system that it
    // is a copy of.
    this.#options = ['-o', filesystem === 'xfs' ? 'loop,nouuid' : 'loop'];
    this.#inner = this.#mount(makeFilesystem(`${this.#outer}/disk`, filesystem, '320M'));
    this.#ghosts = new LivingGhosts(t, temporaryFolder(t), random);
    for (let count = 0; count < 3; count += 1) this.#ghosts.come(2 * unit + random(20 * unit));
  }

  #mount(file: string): string {
    const folder = fs.mkdtempSync(path.join(tmpdir(), 'gk-cut-'));
    run('mount', ...this.#options, file, folder);
    this.#mounted.add(folder);
    return folder;
  }

  async #unmount(folder: string): Promise<void> {
    await unmount(folder);
    fs.rmdirSync(folder);
    this.#mounted.delete(folder);
  }

  /** To be called before the outer file system is unmounted. */
  async unmountAll(): Promise<void> {
    for (const folder of this.#mounted) await this.#unmount(folder);
  }

  /** Runs one command, and cuts the power COUNT times. @returns how many cuts came while the command ran */
  async step(count: number): Promise<number> {
    const work = this.#choose();
    const [file, ...args] = [...command, ...work.words] as [string, ...string[]];
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', data => {
      said += data;
    });
    const begun = performance.now();
    let tookMs = 0;
    const ended = once(child, 'exit').then(([status]) => {
      tookMs = performance.now() - begun;
      return status as number | null;
    });
    const kind = work.words[0] as string;
    const expectedMs = this.#tookMs.get(kind) ?? commandMs;
    const copies: string[] = [];
    let inTime = 0;
    for (let cut = 0; cut < count; cut += 1) {
      await sleep(this.random(Math.ceil(expectedMs / count)));
      if (tookMs === 0) inTime += 1;
      copies.push(await this.#copy());
    }
    const status = await ended;
    // A command that was refused took less time, so it does not count. A copy of the disk slows a command
    // down, so the time is that of a command with its cuts.
    if (status === 0) this.#tookMs.set(kind, tookMs);
    assert.ok(status === 0 || /\[(CHAIN_WRONG|PACKED|HAS_CHILDREN)\]/.test(said), `${work.words}: ${said}`);
    try {
      for (const copy of copies) await this.#check(copy, work);
    } catch (error) {
      const what = `seed ${seed}: ${work.words.join(' ')} on ${this.filesystem}`;
      throw new Error(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
    }
    if (status === 0) work.done();
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + inTime);
    this.late += count - inTime;
    return inTime;
  }

  /** The disk as it would be after a power cut now. */
  async #copy(): Promise<string> {
    const copy = `${this.#outer}/copy-${this.#made++}`;
    const [status] = await once(spawn('cp', ['--reflink=always', `${this.#outer}/disk`, copy]), 'exit');
    assert.equal(status, 0, 'xfs shares the blocks of a file with its copy');
    return copy;
  }

  async #check(copy: string, { words, unsure, again }: Work): Promise<void> {
    const disk = this.#mount(copy);
    try {
      await this.#assertAll(disk, unsure);
      if (!again || this.random(3) > 0) return;
      try {
        await again(disk);
      } catch (error) {
        // The disk already had all that the command does, so the command is refused.
        if (!(error instanceof GhostkeepError)) throw error;
        assert.match(error.code, /^(CHAIN_WRONG|PACKED|HAS_CHILDREN|MANIFEST_MISSING)$/, words.join(' '));
      }
      await this.#assertAll(disk, unsure);
    } finally {
      await this.#unmount(disk);
      fs.rmSync(copy);
    }
  }

  async #assertAll(disk: string, unsure: string | undefined): Promise<void> {
    for (const [name, contents] of this.#checkpoints)
      if (name !== unsure) await assertHolds(this.t, `${disk}/${name}`, contents, memory);
  }

  #any(): string {
    return [...this.#checkpoints.keys()][this.random(this.#checkpoints.size)] as string;
  }

  #choose(): Work {
    const kind = this.random(10);
    const { size } = this.#checkpoints;
    if (size < 4 || (kind === 0 && size < 7)) return this.#dump();
    const [name, other] = [this.#any(), this.#any()];
    const images = `${this.#inner}/${name}`;
    if (kind < 3)
      return {
        words: ['materialize', '-D', images],
        again: disk => unpack(flows(), { images: `${disk}/${name}` }),
        done: () => {},
      };
    if (kind < 5 && size > 4)
      return {
        words: ['forget', '-D', images],
        unsure: name,
        again: disk => forget(flows(), { images: `${disk}/${name}` }),
        done: () => this.#checkpoints.delete(name),
      };
    if (kind < 6 && this.filesystem === 'xfs' && name !== other)
      return { words: ['share', '-D', images, `${this.#inner}/${other}`], done: () => {} };
    return {
      words: ['pack', '-D', images, '--parent', `${this.#inner}/${other}`],
      again: disk => pack(flows(), { images: `${disk}/${name}`, parent: `${disk}/${other}` }),
      done: () => {},
    };
  }

  #dump(): Work {
    const name = `night-${this.#made++}`;
    for (let changes = this.random(4); changes > 0; changes -= 1) this.#ghosts.change();
    const contents = this.#ghosts.contents();
    const pid = String(process.pid);
    return {
      words: ['dump', '--pid', pid, '--allow-missing', '-D', `${this.#inner}/${name}`],
      unsure: name,
      done: () => this.#checkpoints.set(name, contents),
    };
  }
}

describe('a power cut', () => {
  let made = 0;
  for (const filesystem of ['xfs', 'ext4'] as const)
    it(`a power cut at any moment of a command on ${filesystem} loses no checkpoint that was finished (GHOSTKEEP_SEED=${seed})`, async t => {
      if (!needs(t, isRoot, 'mounting needs root')) return;
      const disk = new Disk(t, filesystem, randomFrom(seed));
      try {
        for (let first = 0; first < 4; first += 1) await disk.step(0);
        for (let left = cuts / 2, tries = 5 * cuts; left > 0; tries -= 1) {
          assert.ok(tries > 0, 'most cuts come too late on this machine');
          left -= await disk.step(Math.min(2, left));
        }
      } finally {
        await disk.unmountAll();
      }
      const counts = [...disk.counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
      made += cuts / 2;
      t.diagnostic(`${cuts / 2} on ${filesystem}: ${counts}; ${disk.late} more came after the end`);
      if (made === cuts) t.diagnostic(`${made} cuts in all`);
    });
});

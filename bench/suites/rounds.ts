/**
 * Pauses a container, lets CRIU dump it, and resumes it, as containerd does. Ours has a round before the
 * pause; the peer is CRIU alone.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Budget } from '../budget.js';
import { dense, type Pattern, writeChanges } from '../content/patterns.js';
import { type Criu, dump, dumpWatched, findCriu, imagesEqual, type Way } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { command } from '../machine/gate-command.js';
import { type Holder, heldFile, hold } from '../machine/holder.js';
import { readAll, timed, warm } from '../machine/timed.js';
import { isPaused } from '../machine/watch.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { roundsTarget, roundsWritten } from '../targets.js';

/** The most rounds, if there is time for them. */
const most = 5;
const ways = ['criu-seek', ours] as const satisfies Way[];
const mebibytes = { full: 1024, quick: 128 };
/** Between the round and the pause, one in so many blocks of 4 KiB is written over. */
const cases = [
  { name: 'unchanged', every: 0 },
  { name: '1-percent-changed', every: 100 },
  { name: 'all-changed', every: 1 },
];

export const roundsSuite: Suite = {
  name: 'rounds',
  summary:
    'from pause to resume of a container that is paused before CRIU is called: a round before, CRIU alone',
  needsFilesystems: true,
  async *run(context) {
    const criu = findCriu(context.scratch);
    if (!criu) return;
    const cells = cases
      .filter(({ name }) => context.wants(name))
      .flatMap(what => context.filesystems.map(filesystem => ({ ...what, filesystem })));
    const budget = new Budget(context.budgetMs, cells.length);
    for (const each of cells) {
      const until = budget.next(`${each.name}, ${each.filesystem.name}`);
      if (until !== undefined) yield await new Cell(context, criu, each).run(until);
    }
  },
};

interface CellRequest {
  name: string;
  every: number;
  filesystem: Filesystem;
}

class Cell {
  readonly #images: string;
  readonly #bases: string;
  readonly #pattern: Pattern;
  #revision = 0;
  readonly #unequal = new Set<string>();

  constructor(
    private readonly context: SuiteContext,
    private readonly criu: Criu,
    private readonly request: CellRequest,
  ) {
    const { folder } = request.filesystem;
    this.#images = path.join(folder, 'images');
    this.#bases = path.join(folder, 'bases');
    this.#pattern = dense(context.quick ? mebibytes.quick : mebibytes.full);
  }

  async run(until: number): Promise<Row> {
    const { name, every, filesystem } = this.request;
    this.context.say(`${name}, ${filesystem.name}`);
    const holder = await hold(filesystem.folder, [this.#pattern], 'synced');
    const empty = await hold(filesystem.folder, [], 'synced');
    try {
      // The first run reads and loads things that no contender should pay for.
      for (const way of ways) this.#once(way, holder);
      const turns = ways.map(way => [way, () => this.#once(way, holder) - this.#once(way, empty)]);
      const samples = await interleave(Object.fromEntries(turns), most, until);
      const writtenBytes = await this.#written(holder);
      return makeRow({
        suite: 'rounds',
        case: name,
        filesystem: filesystem.name,
        state: 'paused',
        samples,
        unequal: this.#unequal,
        target: roundsTarget(every && 1 / every, filesystem.name),
        writtenBytes,
        targetWritten: every === 0 ? this.#pattern.size * roundsWritten : undefined,
      });
    } finally {
      await holder.end();
      await empty.end();
    }
  }

  /** @returns the time from pause to resume */
  #once(way: Way, holder: Holder): number {
    const now = this.#prepare(way, holder);
    try {
      return paused(holder.pid, () => dump(this.criu, way, now, this.#images));
    } finally {
      this.#judge(way, now);
    }
  }

  /** Makes a round, and then the changes. @returns the holder with the bytes that it has now */
  #prepare(way: Way, holder: Holder): Holder {
    const { every, filesystem } = this.request;
    if (way === ours) timed([command, 'pre-dump', '--pid', String(holder.pid), '--images-dir', this.#bases]);
    if (every > 0) this.#revision += 1;
    const changed = every > 0 ? { changed: { every, revision: this.#revision } } : {};
    const patterns = holder.patterns.map(pattern => ({ ...pattern, ...changed }));
    for (const [index, pattern] of patterns.entries()) writeChanges(pattern, heldFile(holder, index));
    warm(filesystem.folder, this.#pattern.size);
    const made = path.join(this.#bases, 'ghostkeep');
    if (fs.existsSync(made)) readAll(made);
    return { ...holder, patterns };
  }

  #judge(way: Way, holder: Holder): void {
    if (!imagesEqual(way, holder, this.#images)) this.#unequal.add(way);
    for (const folder of [this.#images, this.#bases]) fs.rmSync(folder, { recursive: true, force: true });
  }

  /** The helper is started while the container is paused, so all that it writes counts. */
  async #written(holder: Holder): Promise<number | undefined> {
    const now = this.#prepare(ours, holder);
    const resume = pause(holder.pid);
    try {
      const { use } = await dumpWatched(this.criu, ours, now, this.#images, () => true);
      return use?.writtenBytes;
    } finally {
      resume();
      this.#judge(ours, now);
    }
  }
}

function paused(pid: number, work: () => void): number {
  const started = performance.now();
  const resume = pause(pid);
  try {
    work();
  } finally {
    resume();
  }
  return performance.now() - started;
}

/** Pauses the process, and returns when it has stopped. @returns a function that resumes it */
function pause(pid: number): () => void {
  process.kill(pid, 'SIGSTOP');
  while (!isPaused(pid));
  return () => void process.kill(pid, 'SIGCONT');
}

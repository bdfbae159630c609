/**
 * Measures what ghostkeep costs where there is nothing or little to do: the start of its helper, of its hooks
 * and of a scan. CRIU alone, /bin/true and lsof run in the same turns, and the targets are times that we may
 * add to theirs.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Budget } from '../budget.js';
import { many } from '../content/patterns.js';
import { type Criu, dump, findCriu, imagesEqual, restore, type Way } from '../machine/criu.js';
import { makeFilesystem, removeFilesystem } from '../machine/filesystems.js';
import { endProcess, heldEquals, hold } from '../machine/holder.js';
import { readAll } from '../machine/timed.js';
import { makeRow, ours, type Row, withAdded } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { type MostAdded, mostAddedAtRestore, mostAddedByOne, mostAddedWithout } from '../targets.js';
import { few, findCell, most } from './find.js';
import { hookCell } from './start-hooks.js';

const ways: readonly Way[] = ['criu-seek', ours];
const rounds = { quick: 5, full: 31 };

export interface Place {
  context: SuiteContext;
  criu: Criu;
  /** A folder on a tmpfs. */
  folder: string;
  until: number;
  /** The names that the rows get. */
  suite: string;
  state: string;
}

/** A holder with GHOSTS of 16 KiB and NAMED descriptors on a file with a name. */
export interface Crowd {
  ghosts: number;
  named: number;
  mostAdded: MostAdded;
}

export const checkpoints = {
  'no-ghost': { ghosts: 0, named: 20, mostAdded: mostAddedWithout(20) },
  'no-ghost-1000': { ghosts: 0, named: 1000, mostAdded: mostAddedWithout(1000) },
  'one-16k': { ghosts: 1, named: 20, mostAdded: mostAddedByOne },
} satisfies Record<string, Crowd>;

export const startSuite: Suite = {
  name: 'start',
  summary:
    'nothing or little to do: a checkpoint, a restore and a hook beside CRIU and /bin/true, a scan beside lsof',
  needsFilesystems: false,
  async *run(context) {
    const names = [...Object.keys(checkpoints), 'restore', 'hook'].filter(name => context.wants(name));
    const budget = new Budget(context.budgetMs, names.length);
    const next = (name: string) => (names.includes(name) ? budget.next(name) : undefined);
    yield* byCriu(context, next);
    const until = next('hook');
    if (until !== undefined) yield* hookCell(context, rounds[context.quick ? 'quick' : 'full'], until);
    if (context.wants('scan-pid')) yield await findCell(context, 'start', 'scan --pid, 1x100', few);
    if (context.wants('scan-all') && !context.quick)
      yield await findCell(context, 'start', 'scan --all, 100x1000', most);
  },
};

async function* byCriu(
  context: SuiteContext,
  next: (name: string) => number | undefined,
): AsyncGenerator<Row> {
  const criu = findCriu(context.scratch);
  const filesystem = criu && makeFilesystem('tmpfs', path.join(context.scratch, 'start'));
  if (!filesystem) return;
  try {
    const place = { context, criu, folder: filesystem.folder, suite: 'start', state: 'synced' };
    for (const [name, crowd] of Object.entries(checkpoints)) {
      const until = next(name);
      if (until === undefined) continue;
      const { total, frozen } = await checkpointRows({ ...place, until }, name, crowd);
      yield withAdded(total, crowd.mostAdded.total);
      yield withAdded(frozen, crowd.mostAdded.frozen);
    }
    const until = next('restore');
    if (until !== undefined) yield withAdded(await restoreRow({ ...place, until }), mostAddedAtRestore);
  } finally {
    removeFilesystem(filesystem);
  }
}

/** Measures whole checkpoints, and the time for which they freeze the processes. */
export async function checkpointRows(
  { context, criu, folder, until, suite, state }: Place,
  name: string,
  { ghosts, named }: Crowd,
): Promise<{ total: Row; frozen: Row }> {
  context.say(name);
  const images = path.join(folder, 'images');
  const frozen: Record<string, number[]> = {};
  const unequal = new Set<string>();
  const holder = await hold(folder, many(ghosts, 16), 'synced', named);
  try {
    const once = (way: Way) => {
      const figures = dump(criu, way, holder, images);
      if (!imagesEqual(way, holder, images)) unequal.add(way);
      fs.rmSync(images, { recursive: true });
      return figures;
    };
    // The first run reads and loads things that no contender should pay for.
    for (const way of ways) once(way);
    const turns = ways.map(way => [
      way,
      () => {
        const figures = once(way);
        frozen[way] = [...(frozen[way] ?? []), figures.frozenMs];
        return figures.totalMs;
      },
    ]);
    const samples = await interleave(Object.fromEntries(turns), roundsOf(context), until);
    const common = { suite, filesystem: 'tmpfs', state, unequal };
    return {
      total: makeRow({ ...common, case: `${name} total`, samples }),
      frozen: makeRow({ ...common, case: `${name} frozen`, samples: frozen }),
    };
  } finally {
    await holder.end();
  }
}

export async function restoreRow({ context, criu, folder, until, suite, state }: Place): Promise<Row> {
  context.say('restore');
  const imagesOf = (way: Way) => path.join(folder, `images-${way}`);
  const unequal = new Set<string>();
  const holder = await hold(folder, many(1, 16), 'synced');
  try {
    for (const way of ways) dump(criu, way, holder, imagesOf(way));
  } finally {
    await holder.end();
  }
  const once = async (way: Way) => {
    readAll(imagesOf(way));
    const ms = restore(criu, way, imagesOf(way));
    if (!heldEquals(holder)) unequal.add(way);
    await endProcess(holder.pid);
    return ms;
  };
  for (const way of ways) await once(way);
  const turns = Object.fromEntries(ways.map(way => [way, () => once(way)]));
  const samples = await interleave(turns, roundsOf(context), until);
  for (const way of ways) fs.rmSync(imagesOf(way), { recursive: true });
  return makeRow({ suite, case: 'restore one-16k', filesystem: 'tmpfs', state, samples, unequal });
}

function roundsOf({ quick }: SuiteContext): number {
  return quick ? rounds.quick : rounds.full;
}

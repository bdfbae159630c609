/** Compares CRIU alone with its limit raised, by both its engines, with the same CRIU with the gate. */
import fs from 'node:fs';
import path from 'node:path';
import { Budget } from '../budget.js';
import {
  alternating,
  dataBytes,
  dense,
  fallocatedWith8k,
  holeBefore8k,
  type Pattern,
} from '../content/patterns.js';
import { type Criu, type Dump, dump, findCriu, imagesEqual, type Way } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { type Holder, hold, type State } from '../machine/holder.js';
import { warm } from '../machine/timed.js';
import { makeRow, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { dumpTarget } from '../targets.js';
import { leastOf, manyCell, manyCellsOf } from './dump-many.js';

/** The most rounds, if there is time for them. */
const most = 5;
const ways: Way[] = ['criu-seek', 'ghostkeep', 'criu-fiemap'];

export const dumpSuite: Suite = {
  name: 'dump',
  summary: 'criu dump of one ghost and of many: CRIU by both its engines, and with the gate',
  needsFilesystems: true,
  async *run(context) {
    const criu = findCriu(context.scratch);
    if (!criu) return;
    const ends = performance.now() + context.budgetMs;
    const cells = cellsOf(context);
    const crowds = manyCellsOf(context);
    const budget = new Budget(context.budgetMs - leastOf(crowds), cells.length);
    for (const each of cells) {
      const until = budget.next(nameOf(each));
      if (until !== undefined) yield* cell(context, criu, each, until);
    }
    const rest = new Budget(ends - performance.now(), crowds.length);
    for (const each of crowds) {
      const until = rest.next(`${each.crowd.name}, ${each.filesystem.name}`, each.leastMs);
      if (until !== undefined) yield* manyCell(context, criu, each, until);
    }
  },
};

interface Cell {
  filesystem: Filesystem;
  pattern: Pattern;
  state: State;
}

function nameOf({ filesystem, pattern, state }: Cell): string {
  return `${pattern.name}, ${filesystem.name}, ${state}`;
}

/**
 * The cells of this suite. tmpfs has fewer: it never writes anything out, so no file there is dirty, and
 * space from fallocate reads as a hole there anyway.
 */
function cellsOf(context: SuiteContext): Cell[] {
  return patterns(context.quick)
    .filter(({ name }) => context.wants(name))
    .flatMap(pattern =>
      context.filesystems.flatMap(filesystem => {
        const isTmpfs = filesystem.name === 'tmpfs';
        if (isTmpfs && pattern.fallocated) return [];
        const states: State[] = isTmpfs ? ['synced'] : ['synced', 'dirty'];
        return states.map(state => ({ filesystem, pattern, state }));
      }),
    );
}

export function patterns(quick: boolean): Pattern[] {
  return quick
    ? [dense(128), alternating(32), holeBefore8k(1024), fallocatedWith8k(128)]
    : [dense(1024), alternating(256), holeBefore8k(1024), fallocatedWith8k(1024)];
}

async function* cell(
  context: SuiteContext,
  criu: Criu,
  { filesystem, pattern, state }: Cell,
  until: number,
): AsyncGenerator<Row> {
  const name = nameOf({ filesystem, pattern, state });
  context.say(name);
  const small = dataBytes(pattern) < 1 << 20;
  const frozen: Record<string, number[]> = {};
  const bytes: Record<string, number> = {};
  const unequal = new Set<string>();
  const folder = path.join(filesystem.folder, 'dump');
  // A dump may write a dirty ghost out, and a dump that reads unwritten space leaves pages there that the
  // next one takes for data. Such ghosts are made anew for each dump.
  const kept =
    state === 'synced' && !pattern.fallocated ? await hold(filesystem.folder, [pattern], state) : undefined;
  const once = async (way: Way): Promise<Dump> => {
    const holder: Holder = kept ?? (await hold(filesystem.folder, [pattern], state));
    try {
      warm(
        filesystem.folder,
        way === 'criu-fiemap' && pattern.fallocated ? pattern.size : dataBytes(pattern),
      );
      const figures = dump(criu, way, holder, folder);
      if (!imagesEqual(way, holder, folder)) unequal.add(way);
      return figures;
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
      if (!kept) await holder.end();
    }
  };
  try {
    // The first run reads and loads things that no contender should pay for.
    if (small || context.quick) for (const way of ways) await once(way);
    const turns = ways.map(way => [
      way,
      async () => {
        const figures = await once(way);
        frozen[way] = [...(frozen[way] ?? []), figures.frozenMs];
        bytes[way] = figures.bytes;
        return figures.totalMs;
      },
    ]);
    const total = await interleave(Object.fromEntries(turns), most, until);
    const common = {
      suite: 'dump',
      filesystem: filesystem.name,
      state,
      unequal,
      bytes,
    };
    const target = dumpTarget(pattern.name, filesystem.name, state);
    yield makeRow({ ...common, case: `${pattern.name} frozen`, samples: frozen, target });
    yield makeRow({ ...common, case: `${pattern.name} total`, samples: total });
  } finally {
    await kept?.end();
  }
}

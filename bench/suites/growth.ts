/**
 * Does the cost stay linear? Compares dumps with the gate and by CRIU alone, with ever larger files, ever
 * more extents and ever more ghosts.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Budget } from '../budget.js';
import { dataBytes, many, type Pattern, scattered } from '../content/patterns.js';
import { type Criu, dump, findCriu, imagesEqual, type Way } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { type Holder, hold } from '../machine/holder.js';
import { warm } from '../machine/timed.js';
import { makeRow, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';

const kib = 1024;
const mib = 1024 * kib;
const ways: Way[] = ['criu-seek', 'ghostkeep'];
const keptBytes = 2 ** 29;

interface Step {
  of: 'size' | 'extents' | 'ghosts';
  value: number;
  unit: string;
  patterns: Pattern[];
}

export const growthSuite: Suite = {
  name: 'growth',
  summary: 'frozen time against size, extents and number of ghosts',
  needsFilesystems: true,
  async *run(context) {
    const criu = findCriu(context.scratch);
    const [filesystem] = context.filesystems;
    if (!criu || !filesystem) return;
    // Long steps come last, so that a busy machine leaves out no more than it must.
    const chosen = steps(context.quick).filter(({ of }) => context.wants(of));
    const short = chosen.filter(step => !isLong(step));
    const long = chosen.filter(isLong).toSorted((a, b) => leastMs(a) - leastMs(b));
    const ends = performance.now() + context.budgetMs;
    const least = long.reduce((sum, step) => sum + leastMs(step), 0);
    const holders: Holder[] = [];
    try {
      for (const [some, ms] of [
        [short, () => context.budgetMs - least],
        [long, () => ends - performance.now()],
      ] as const) {
        const budget = new Budget(ms(), some.length);
        for (const step of some) {
          const until = budget.next(`${step.of} ${step.value}`, leastMs(step));
          if (until !== undefined) yield await cell(context, criu, filesystem, step, until, holders);
        }
      }
    } finally {
      for (const holder of holders) await holder.end();
    }
  },
};

/**
 * Time for one round on an idle machine: writing and comparing the data, and the cost of each extent and
 * ghost.
 */
function leastMs({ of, value, patterns }: Step): number {
  const each = of === 'extents' ? 0.1 : of === 'ghosts' ? 1 : 0;
  return value * each + sumBytes(patterns) * 1e-5;
}

function isLong(step: Step): boolean {
  return leastMs(step) >= 5000;
}

function sumBytes(patterns: readonly Pattern[]): number {
  return patterns.reduce((sum, pattern) => sum + dataBytes(pattern), 0);
}

/**
 * The data stays the same while the size of the file grows. In the panels for extents and ghosts, each
 * additional one adds its own data.
 */
function steps(quick: boolean): Step[] {
  const upTo = (all: number[], most: number) => all.filter(value => !quick || value <= most);
  return [
    ...upTo([64, 256, 1024, 4096, 16384], 1024).map(value => ({
      of: 'size' as const,
      value,
      unit: 'MiB',
      patterns: [{ name: `size-${value}`, size: value * mib, lead: 0, data: 16 * kib, period: value * kib }],
    })),
    ...upTo([1, 10, 100, 1000, 10_000, 100_000, 1_000_000], 10_000).map(value => ({
      of: 'extents' as const,
      value,
      unit: '',
      patterns: [scattered(`extents-${value}`, value, value * 8 * kib)],
    })),
    ...upTo([1, 10, 100, 1000, 10_000], 100).map(value => ({
      of: 'ghosts' as const,
      value,
      unit: '',
      patterns: many(value, 16),
    })),
  ];
}

/**
 * Measures one step. Its small files, also the ghosts, stay until the file system goes, because on ext4
 * removed files make the next ones slow (dump-many.ts).
 */
async function cell(
  context: SuiteContext,
  criu: Criu,
  filesystem: Filesystem,
  step: Step,
  until: number,
  holders: Holder[],
): Promise<Row> {
  const { of, value, unit, patterns } = step;
  const name = `${of} ${value} ${unit}`.trim();
  context.say(name);
  const unequal = new Set<string>();
  const bytes = sumBytes(patterns);
  const holder = await hold(filesystem.folder, patterns, 'synced');
  holders.push(holder);
  const turns = ways.map(way => [
    way,
    (round: number) => {
      const folder = path.join(filesystem.folder, `dump-${of}-${value}-${way}-${round}`);
      warm(filesystem.folder, bytes);
      const { frozenMs } = dump(criu, way, holder, folder);
      if (!imagesEqual(way, holder, folder)) unequal.add(way);
      if (bytes > keptBytes) fs.rmSync(folder, { recursive: true });
      return frozenMs;
    },
  ]);
  // A very long step runs once only. Making and removing it belongs to no round and takes half a minute more.
  const samples = await interleave(Object.fromEntries(turns), leastMs(step) < 50_000 ? 3 : 1, until);
  const row = makeRow({
    suite: 'growth',
    case: name,
    filesystem: filesystem.name,
    state: 'synced',
    samples,
    unequal,
  });
  return { ...row, growth: { of, value } };
}

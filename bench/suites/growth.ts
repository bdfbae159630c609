/** Does it stay linear? A dump with the gate and by CRIU alone, of ever larger files, ever more extents, ever more ghosts. */
import fs from 'node:fs';
import path from 'node:path';
import { Budget } from '../budget.js';
import { type Criu, dump, findCriu, imagesEqual, type Way } from '../criu.js';
import type { Filesystem } from '../filesystems.js';
import { hold } from '../holder.js';
import { dataBytes, dense, type Pattern } from '../patterns.js';
import { makeRow, type Row } from '../row.js';
import { interleave } from '../samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { warm } from '../timed.js';

const kib = 1024;
const mib = 1024 * kib;
const ways: Way[] = ['criu-seek', 'ghostkeep'];

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
    const chosen = steps(context.quick).filter(({ of }) => context.wants(of));
    const budget = new Budget(context.budgetMs, chosen.length);
    for (const step of chosen) {
      const until = budget.next(`${step.of} ${step.value}`);
      if (until !== undefined) yield await cell(context, criu, filesystem, step, until);
    }
  },
};

/** The data stays the same while the size grows; a block each while extents and ghosts do. */
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
      patterns: [
        { name: `extents-${value}`, size: value * 8 * kib, lead: 0, data: 4 * kib, period: 8 * kib },
      ],
    })),
    ...upTo([1, 10, 100, 1000, 10_000], 100).map(value => ({
      of: 'ghosts' as const,
      value,
      unit: '',
      patterns: Array.from({ length: value }, (_, n) => ({
        ...dense(1, `ghost-${n}`),
        size: 16 * kib,
        data: 16 * kib,
        period: 16 * kib,
      })),
    })),
  ];
}

async function cell(
  context: SuiteContext,
  criu: Criu,
  filesystem: Filesystem,
  { of, value, unit, patterns }: Step,
  until: number,
): Promise<Row> {
  const name = `${of} ${value} ${unit}`.trim();
  context.say(name);
  const folder = path.join(filesystem.folder, 'dump');
  const unequal = new Set<string>();
  const bytes = patterns.reduce((sum, pattern) => sum + dataBytes(pattern), 0);
  const holder = await hold(filesystem.folder, patterns, 'synced');
  try {
    const turns = ways.map(way => [
      way,
      () => {
        warm(filesystem.folder, bytes);
        try {
          const { frozenMs } = dump(criu, way, holder, folder);
          if (!imagesEqual(way, holder, folder)) unequal.add(way);
          return frozenMs;
        } finally {
          fs.rmSync(folder, { recursive: true, force: true });
        }
      },
    ]);
    const samples = await interleave(Object.fromEntries(turns), 3, until);
    const row = makeRow({
      suite: 'growth',
      case: name,
      filesystem: filesystem.name,
      state: 'synced',
      samples,
      unequal,
    });
    return { ...row, growth: { of, value } };
  } finally {
    await holder.end();
  }
}

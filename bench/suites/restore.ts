/** A stock CRIU restores its own images, and one that the gate made, with the gate: bytes read from the new process. */
import fs from 'node:fs';
import path from 'node:path';
import { Budget } from '../budget.js';
import { type Criu, dump, findCriu, restore, type Way } from '../criu.js';
import type { Filesystem } from '../filesystems.js';
import { endProcess, heldEquals, hold } from '../holder.js';
import { dataBytes, type Pattern } from '../patterns.js';
import { makeRow, type Row } from '../row.js';
import { interleave } from '../samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { restoreTarget } from '../targets.js';
import { warm } from '../timed.js';
import { patterns } from './dump.js';

const ways: Way[] = ['criu-seek', 'ghostkeep', 'criu-fiemap'];

export const restoreSuite: Suite = {
  name: 'restore',
  summary: 'criu restore: of CRIU’s own images, and of the gate’s with the gate',
  needsFilesystems: true,
  async *run(context) {
    const criu = findCriu(context.scratch);
    if (!criu) return;
    const cells = context.filesystems.flatMap(filesystem =>
      patterns(context.quick)
        .filter(({ name, fallocated }) => context.wants(name) && !(fallocated && filesystem.name === 'tmpfs'))
        .map(pattern => [filesystem, pattern] as const),
    );
    const budget = new Budget(context.budgetMs, cells.length);
    for (const [filesystem, pattern] of cells) {
      const until = budget.next(`${pattern.name}, ${filesystem.name}`);
      if (until !== undefined) yield await cell(context, criu, filesystem, pattern, until);
    }
  },
};

async function cell(
  context: SuiteContext,
  criu: Criu,
  filesystem: Filesystem,
  pattern: Pattern,
  until: number,
): Promise<Row> {
  context.say(`${pattern.name}, ${filesystem.name}`);
  const unequal = new Set<string>();
  const folderOf = (way: Way) => path.join(filesystem.folder, `image-${way}`);
  const holder = await hold(filesystem.folder, [pattern], 'synced');
  try {
    for (const way of ways) dump(criu, way, holder, folderOf(way));
  } finally {
    await holder.end();
  }
  try {
    const turns = ways.map(way => [
      way,
      async () => {
        warm(
          filesystem.folder,
          way === 'criu-fiemap' && pattern.fallocated ? pattern.size : dataBytes(pattern),
        );
        const ms = restore(criu, way, folderOf(way));
        if (!heldEquals(holder)) unequal.add(way);
        await endProcess(holder.pid);
        return ms;
      },
    ]);
    const samples = await interleave(Object.fromEntries(turns), 5, until);
    return makeRow({
      suite: 'restore',
      case: pattern.name,
      filesystem: filesystem.name,
      state: 'synced',
      samples,
      unequal,
      target: restoreTarget(pattern.name, filesystem.name),
    });
  } finally {
    for (const way of ways) fs.rmSync(folderOf(way), { recursive: true, force: true });
  }
}

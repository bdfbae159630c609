/**
 * A stock CRIU restores its own images, and images that the gate made, with the gate. The bytes are read from
 * the new process. In the same turns, ghostkeep makes the file itself: by the code that also makes linked
 * ghosts again (`file`), and by its command (`command`).
 */
import fs from 'node:fs';
import path from 'node:path';
import { silent } from '../../src/base/log.js';
import { restoreGhosts } from '../../src/flows/restore/restore.js';
import { linuxHost } from '../../src/host/linux.js';
import { ownCommand } from '../../src/host/native/program-files.js';
import { Budget } from '../budget.js';
import { fileEquals } from '../content/equal.js';
import { dataBytes, type Pattern } from '../content/patterns.js';
import { type Criu, dump, findCriu, restore, type Way } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { endProcess, type Holder, heldEquals, hold } from '../machine/holder.js';
import { readAll, timed, warm } from '../machine/timed.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave, type Samples } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';
import { restoreTarget } from '../targets.js';
import { patterns } from './dump.js';

const ways: Way[] = ['criu-seek', 'ghostkeep', 'criu-fiemap'];
const program = ownCommand();

export const restoreSuite: Suite = {
  name: 'restore',
  summary: 'criu restore: of CRIU’s own images, and of the gate’s with the gate; and ghostkeep restore',
  needsFilesystems: true,
  async *run(context) {
    const criu = findCriu(context.scratch);
    if (!criu) return;
    // Small patterns come first, so that the time they leave gives large ones more rounds.
    const cells = patterns(context.quick)
      .toSorted((a, b) => dataBytes(a) - dataBytes(b))
      .filter(({ name }) => context.wants(name))
      .flatMap(pattern =>
        context.filesystems
          .filter(({ name }) => !(pattern.fallocated && name === 'tmpfs'))
          .map(filesystem => [filesystem, pattern] as const),
      );
    const budget = new Budget(context.budgetMs, cells.length);
    for (const [filesystem, pattern] of cells) {
      const until = budget.next(`${pattern.name}, ${filesystem.name}`);
      if (until !== undefined) yield* cell(context, criu, filesystem, pattern, until);
    }
  },
};

async function* cell(
  context: SuiteContext,
  criu: Criu,
  filesystem: Filesystem,
  pattern: Pattern,
  until: number,
): AsyncGenerator<Row> {
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
    const byCriu = ways.map(way => [way, () => restoreOnce(criu, way, folderOf(way), holder, unequal)]);
    const byUs = Object.entries(makers).map(([name, make]) => [
      name,
      () => makeOnce(folderOf(ours), name, make, pattern, unequal),
    ]);
    const target = restoreTarget(pattern.name, filesystem.name);
    const rounds = target === undefined ? 3 : 5;
    const samples = await interleave(Object.fromEntries([...byCriu, ...byUs]), rounds, until);
    const common = { suite: 'restore', filesystem: filesystem.name, state: 'synced' };
    const contender = (name: string) => ({
      samples: against(samples, name),
      unequal: new Set([...unequal].filter(who => who === name || isPeer(who))),
    });
    yield makeRow({ ...common, case: pattern.name, ...contender(ours) });
    for (const name of Object.keys(makers))
      yield makeRow({ ...common, case: `${pattern.name} ${name}`, ...contender(name), target });
  } finally {
    for (const way of ways) fs.rmSync(folderOf(way), { recursive: true, force: true });
  }
}

/** The samples of one of our ways and of CRIU alone. */
function against(samples: Samples, name: string): Samples {
  const peers = Object.entries(samples).filter(([who]) => isPeer(who));
  return { [ours]: samples[name] ?? [], ...Object.fromEntries(peers) };
}

function isPeer(who: string): boolean {
  return who.startsWith('criu-');
}

async function restoreOnce(
  criu: Criu,
  way: Way,
  images: string,
  holder: Holder,
  unequal: Set<string>,
): Promise<number> {
  const [pattern] = holder.patterns as [Pattern];
  readAll(images);
  warm(path.dirname(images), way === 'criu-fiemap' && pattern.fallocated ? pattern.size : dataBytes(pattern));
  const ms = restore(criu, way, images);
  if (!heldEquals(holder)) unequal.add(way);
  await endProcess(holder.pid);
  return ms;
}

type Make = (images: string, to: string) => Promise<void> | void;

const makers: Record<string, Make> = {
  file: async (images, to) => {
    await restoreGhosts({ host: linuxHost(), log: silent, tool: 'ghostkeep bench' }, { images, to });
  },
  command: (images, to) => void timed([...program, 'restore', '-D', images, '--to', to]),
};

async function makeOnce(
  images: string,
  name: string,
  make: Make,
  pattern: Pattern,
  unequal: Set<string>,
): Promise<number> {
  const to = path.join(path.dirname(images), 'restored');
  readAll(images);
  warm(path.dirname(images), dataBytes(pattern));
  try {
    const started = performance.now();
    await make(images, to);
    const ms = performance.now() - started;
    const [file, ...more] = fs.readdirSync(to);
    if (!file || more.length > 0 || !fileEquals(pattern, path.join(to, file))) unequal.add(name);
    return ms;
  } finally {
    fs.rmSync(to, { recursive: true, force: true });
  }
}

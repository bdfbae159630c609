/**
 * Memory must not grow with the amount that is dumped. Measures a file of 1 TiB in a million pieces, through
 * dump, verify and restore, and ten thousand ghosts of one process through the gate. For the file, peers that
 * move the same bytes run as well, and their memory is measured.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ownCommand } from '../../src/host/native/program-files.js';
import { Budget } from '../budget.js';
import { ghostImageEquals, sparseFileEquals } from '../content/equal.js';
import { dataBytes, many, type Pattern, scattered } from '../content/patterns.js';
import { type Criu, dumpWatched, findCriu, imagesEqual, type Way } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { heldFile, hold } from '../machine/holder.js';
import { timed, timedAndWatched, warm } from '../machine/timed.js';
import { makeRow, ours, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { Suite, SuiteContext } from '../suite.js';

const targetBytes = 120 * 2 ** 20;
const gib = 2 ** 30;
/** Room for the pieces three times (ghost, image and copy) and for everything else. */
const roomyBytes = 16 * gib;
const mostRounds = 3;

export const memorySuite: Suite = {
  name: 'memory',
  summary: 'the most memory taken: by 1 TiB in a million extents, and by ten thousand ghosts',
  needsFilesystems: true,
  async *run(context) {
    const filesystem = choose(context.filesystems);
    if (!filesystem) return;
    const [huge, crowd] = context.quick
      ? [scattered('16g-16k', 1 << 14, 16 * gib), { name: '500x4k', patterns: many(500, 4) }]
      : [scattered('1t-1m', 1 << 20, 1024 * gib), { name: '10000x4k', patterns: many(10_000, 4) }];
    const budget = new Budget(context.budgetMs, 2);
    if (context.wants(crowd.name)) {
      const criu = findCriu(context.scratch);
      const until = budget.next(crowd.name);
      if (criu && until !== undefined) yield await gateCell(context, criu, filesystem, crowd, until);
    }
    if (context.wants(huge.name) && budget.next(huge.name, context.quick ? 0 : 90_000) !== undefined)
      yield* hugeCell(context, filesystem, huge);
  },
};

/** On a disk a million pieces are written out one by one, so tmpfs is chosen if there is memory for it. */
function choose(filesystems: readonly Filesystem[]): Filesystem | undefined {
  const order = os.freemem() > roomyBytes ? ['tmpfs', 'xfs'] : ['xfs', 'tmpfs'];
  return order.map(name => filesystems.find(each => each.name === name)).find(each => each) ?? filesystems[0];
}

async function gateCell(
  context: SuiteContext,
  criu: Criu,
  filesystem: Filesystem,
  { name, patterns }: { name: string; patterns: Pattern[] },
  until: number,
): Promise<Row> {
  context.say(`${name}, ${filesystem.name}`);
  const unequal = new Set<string>();
  const peakBytes: Record<string, number> = {};
  const folders: string[] = [];
  const holder = await hold(filesystem.folder, patterns, 'dirty');
  try {
    const turn = (way: Way) => async (round: number) => {
      const folder = path.join(filesystem.folder, `dump-${way}-${round}`);
      folders.push(folder);
      const { frozenMs, use } = await dumpWatched(criu, way, holder, folder);
      if (!imagesEqual(way, holder, folder)) unequal.add(way);
      if (use) peakBytes[way] = Math.max(peakBytes[way] ?? 0, use.peakBytes);
      return frozenMs;
    };
    const turns = { 'criu-seek': turn('criu-seek'), [ours]: turn(ours) };
    const samples = await interleave(turns, mostRounds, until);
    return makeRow({ ...names(`${name} frozen`, filesystem), samples, unequal, peakBytes });
  } finally {
    for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
    await holder.end();
  }
}

/** One round only: it takes a minute, and memory does not vary as time does. */
async function* hugeCell(
  context: SuiteContext,
  filesystem: Filesystem,
  pattern: Pattern,
): AsyncGenerator<Row> {
  context.say(`${pattern.name}, ${filesystem.name}`);
  const [images, restored, copy] = ['images', 'restored', 'copy'].map(name =>
    path.join(filesystem.folder, name),
  ) as [string, string, string];
  const program = ownCommand();
  const unequal = new Set<string>();
  const holder = await hold(filesystem.folder, [pattern], 'dirty');
  const step = async (
    name: string,
    args: readonly string[],
    peers: Record<string, number>,
    isRight: () => boolean,
  ) => {
    context.say(`${pattern.name}, ${name}`);
    if (name !== 'verify') warm(filesystem.folder, dataBytes(pattern));
    const { ms, use } = await timedAndWatched([...program, ...args], {}, pid => ({ find: () => pid }));
    if (!isRight()) unequal.add(ours);
    return makeRow({
      ...names(`${pattern.name} ${name}`, filesystem),
      samples: {
        [ours]: [ms],
        ...Object.fromEntries(Object.entries(peers).map(([peer, own]) => [peer, [own]])),
      },
      unequal,
      targetBytes,
      ...(use ? { peakBytes: { [ours]: use.peakBytes } } : {}),
    });
  };
  try {
    warm(filesystem.folder, dataBytes(pattern));
    const cp = timed(['cp', heldFile(holder), copy]);
    if (!sparseFileEquals(pattern, copy)) unequal.add('cp');
    fs.rmSync(copy);
    yield await step('dump', ['dump', '--pid', String(holder.pid), '-D', images], { cp }, () =>
      ghostImageEquals(pattern, imageIn(images)),
    );
    const cat = timed(['cat', imageIn(images)]);
    yield await step('verify', ['verify', '-D', images], { cat }, () => true);
    yield await step('restore', ['restore', '-D', images, '--to', restored], { cp }, () =>
      sparseFileEquals(pattern, path.join(restored, 'ghost-1')),
    );
  } finally {
    for (const each of [images, restored, copy]) fs.rmSync(each, { recursive: true, force: true });
    await holder.end();
  }
}

function imageIn(folder: string): string {
  const name = fs.readdirSync(folder).find(each => /^ghost-file-[0-9a-f]+\.img$/.test(each));
  if (!name) throw new Error(`${folder}: there is no ghost image in it`);
  return path.join(folder, name);
}

function names(name: string, filesystem: Filesystem) {
  return { suite: 'memory', case: name, filesystem: filesystem.name, state: 'dirty' };
}

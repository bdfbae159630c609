/**
 * Any number of ghosts in one process: none at all, small ones that cost by the piece, large ones for all
 * processors.
 */
import fs from 'node:fs';
import path from 'node:path';
import { type Criu, dumpWatched, imagesEqual, type Way } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { hold } from '../machine/holder.js';
import { dataBytes, many, type Pattern } from '../patterns.js';
import { makeRow, type Row } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { SuiteContext } from '../suite.js';
import { warm } from '../timed.js';

/** Rounds, where there is time for them. */
const most = 5;
/** Of a round: each byte is warmed for, dumped and compared, twice. */
const msPerMebibyte = 6;
/** Images of more than this are not kept for the sake of the next run. */
const keptBytes = 2 ** 30;

export interface ManyCell {
  filesystem: Filesystem;
  crowd: Crowd;
  leastMs: number;
}

interface Crowd {
  name: string;
  patterns: Pattern[];
  target?: number;
  /** What the gate may add to the time frozen; where it has nothing to copy one file system is enough. */
  mostAddedMs?: number;
  /** Only where every byte has to be copied: what is reflinked gives no processor work. */
  copied?: boolean;
}

export function manyCellsOf(context: SuiteContext): ManyCell[] {
  return crowds(context.quick)
    .filter(({ name }) => context.wants(name))
    .flatMap(crowd =>
      context.filesystems
        .filter(
          ({ name }) =>
            name === 'tmpfs' || (crowd.mostAddedMs === undefined && (!crowd.copied || name === 'ext4')),
        )
        .map(filesystem => ({
          filesystem,
          crowd,
          leastMs: (sumBytes(crowd.patterns) / 2 ** 20) * msPerMebibyte,
        })),
    );
}

/** What has to be left for them, some over because a machine is never idle. */
export function leastOf(cells: readonly ManyCell[]): number {
  return 1.2 * cells.reduce((sum, { leastMs }) => sum + leastMs, 0);
}

/**
 * Images are kept until all rounds are over: ext4 does not give the number of a file out again that was
 * removed a moment ago, and to find that out costs the next file that is created 0.7 ms for each. Source:
 * fs/ext4/ialloc.c, recently_deleted
 */
export async function* manyCell(
  context: SuiteContext,
  criu: Criu,
  { filesystem, crowd }: ManyCell,
  until: number,
): AsyncGenerator<Row> {
  context.say(`${crowd.name}, ${filesystem.name}`);
  const total = sumBytes(crowd.patterns);
  const [frozen, bytes, unequal]: [Record<string, number[]>, Record<string, number>, Set<string>] = [
    {},
    {},
    new Set(),
  ];
  const atWork: number[] = [];
  const folders: string[] = [];
  const holder = await hold(filesystem.folder, crowd.patterns, 'synced');
  const removeAll = () => {
    for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
  };
  try {
    const turn = (way: Way) => async (round: number) => {
      if (total > keptBytes) removeAll();
      const folder = path.join(filesystem.folder, `dump-${way}-${round}`);
      folders.push(folder);
      warm(filesystem.folder, total);
      const figures = await dumpWatched(criu, way, holder, folder);
      if (!imagesEqual(way, holder, folder)) unequal.add(way);
      frozen[way] = [...(frozen[way] ?? []), figures.frozenMs];
      bytes[way] = figures.bytes;
      if (way === 'ghostkeep' && figures.use) atWork.push(figures.use.cpuMs / figures.frozenMs);
      return figures.totalMs;
    };
    // Its engines do not differ here: there are no holes.
    const turns = { 'criu-seek': turn('criu-seek'), ghostkeep: turn('ghostkeep') };
    const samples = await interleave(turns, most, until);
    const common = {
      suite: 'dump',
      filesystem: filesystem.name,
      state: 'synced',
      target: crowd.target,
      unequal,
      bytes,
    };
    const row = makeRow({ ...common, case: `${crowd.name} frozen`, samples: frozen, atWork });
    yield crowd.mostAddedMs === undefined
      ? row
      : { ...row, addedMs: { ghostkeep: row.oursMs - row.peerMs }, targetMs: crowd.mostAddedMs };
    yield makeRow({ ...common, case: `${crowd.name} total`, samples });
  } finally {
    removeAll();
    await holder.end();
  }
}

/** The one with the most images comes last: what it removes slows ext4's next files (see manyCell). */
function crowds(quick: boolean): Crowd[] {
  const none = { name: 'no-ghost', patterns: [], mostAddedMs: 5 };
  return quick
    ? [
        none,
        { name: '8x16m', patterns: many(8, 16 << 10), copied: true },
        { name: '100x16k', patterns: many(100, 16), target: 1 },
      ]
    : [
        none,
        { name: '100x64m', patterns: many(100, 64 << 10), copied: true },
        { name: '1000x16k', patterns: many(1000, 16), target: 1 },
      ];
}

function sumBytes(patterns: readonly Pattern[]): number {
  return patterns.reduce((sum, pattern) => sum + dataBytes(pattern), 0);
}

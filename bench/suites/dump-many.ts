/**
 * Dumps of one process with any number of ghosts: none at all, many small ones where each one costs time, and
 * large ones that keep all processors busy.
 */
import fs from 'node:fs';
import path from 'node:path';
import { dataBytes, many, type Pattern } from '../content/patterns.js';
import { type Criu, dumpWatched, imagesEqual, type Way } from '../machine/criu.js';
import type { Filesystem } from '../machine/filesystems.js';
import { hold } from '../machine/holder.js';
import { warm } from '../machine/timed.js';
import { makeRow, type Row, withAdded } from '../report/row.js';
import { interleave } from '../report/samples.js';
import type { SuiteContext } from '../suite.js';
import { type MostAdded, manySmallTarget, mostAddedWithout } from '../targets.js';

/** The most rounds, if there is time for them. */
const most = 5;
/** Time for one round: for each contender the cache is warmed, and each byte is dumped and compared. */
const msPerMebibyte = 6;
/** Images larger than this in total are removed before the next run. */
const keptBytes = 2 ** 30;

export interface ManyCell {
  filesystem: Filesystem;
  crowd: Crowd;
  leastMs: number;
}

interface Crowd {
  name: string;
  patterns: Pattern[];
  /** The highest ratio that we want of the time frozen. */
  target?: number;
  /**
   * The most time that the gate may add. Set if there is next to nothing to copy, so that one file system is
   * enough.
   */
  mostAdded?: MostAdded;
  /**
   * Use only file systems where every byte has to be copied, because reflinking gives the processors no work.
   */
  copied?: boolean;
}

export function manyCellsOf(context: SuiteContext): ManyCell[] {
  return crowds(context.quick)
    .filter(({ name }) => context.wants(name))
    .flatMap(crowd =>
      context.filesystems
        .filter(
          ({ name }) =>
            name === 'tmpfs' || (crowd.mostAdded === undefined && (!crowd.copied || name === 'ext4')),
        )
        .map(filesystem => ({
          filesystem,
          crowd,
          leastMs: (sumBytes(crowd.patterns) / 2 ** 20) * msPerMebibyte,
        })),
    );
}

/** The time that must be left for these cells, with some to spare because a machine is never idle. */
export function leastOf(cells: readonly ManyCell[]): number {
  return 1.2 * cells.reduce((sum, { leastMs }) => sum + leastMs, 0);
}

/**
 * Measures one cell. Images stay until all rounds are over, unless they are larger than `keptBytes`, because
 * removing them would slow the next round. ext4 does not reuse the inode number of a file that was removed a
 * moment ago. For each such number that it passes over, the creation of a file takes 0.7 ms longer. Source:
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
    // CRIU's two engines do not differ here, because there are no holes.
    const turns = { 'criu-seek': turn('criu-seek'), ghostkeep: turn('ghostkeep') };
    const samples = await interleave(turns, most, until);
    const common = {
      suite: 'dump',
      filesystem: filesystem.name,
      state: 'synced',
      unequal,
      bytes,
    };
    const figures = [
      [
        'frozen',
        makeRow({ ...common, case: `${crowd.name} frozen`, samples: frozen, atWork, target: crowd.target }),
      ],
      ['total', makeRow({ ...common, case: `${crowd.name} total`, samples })],
    ] as const;
    for (const [figure, row] of figures)
      yield crowd.mostAdded === undefined ? row : withAdded(row, crowd.mostAdded[figure]);
  } finally {
    removeAll();
    await holder.end();
  }
}

/**
 * The large crowd comes last, because on a slow machine there may be no time left for it. Other file systems
 * come between the two on ext4, so that no inode number of removed images counts as recent (see manyCell).
 */
function crowds(quick: boolean): Crowd[] {
  const none = { name: 'no-ghost', patterns: [], mostAdded: mostAddedWithout(3) };
  return quick
    ? [
        none,
        { name: '8x16m', patterns: many(8, 16 << 10), copied: true },
        { name: '100x16k', patterns: many(100, 16), target: manySmallTarget },
      ]
    : [
        none,
        { name: '1000x16k', patterns: many(1000, 16), target: manySmallTarget },
        { name: '100x64m', patterns: many(100, 64 << 10), copied: true },
      ];
}

function sumBytes(patterns: readonly Pattern[]): number {
  return patterns.reduce((sum, pattern) => sum + dataBytes(pattern), 0);
}

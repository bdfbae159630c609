/** A stock CRIU, alone or with the gate as its only plugin, and the figures in its own statistics. */
import fs from 'node:fs';
import path from 'node:path';
import { findBeside } from '../../src/host/native/program-files.js';
import { ghostImageEquals, varintFields } from '../content/equal.js';
import type { Holder } from './holder.js';
import { type RunOptions, timed, timedAndWatched } from './timed.js';
import { findInTree } from './tree.js';
import { findHelper, isStopped, type Use } from './watch.js';

export type Way = 'criu-seek' | 'criu-fiemap' | 'ghostkeep';

export interface Criu {
  words: string[];
  /** Plugin directories: an empty one, and one with the gate. */
  none: string;
  gate: string;
}

/** @returns undefined when there is no CRIU, which is reported */
export function findCriu(scratch: string): Criu | undefined {
  const words = findInTree('criu');
  if (!words) return undefined;
  const [none, gate] = [path.join(scratch, 'no-plugins'), path.join(scratch, 'plugins')];
  fs.mkdirSync(none, { recursive: true });
  fs.mkdirSync(gate, { recursive: true });
  const plugin = findBeside('build', 'ghostkeep.so');
  if (!plugin) throw new Error('build/ghostkeep.so is not there: npm run build');
  fs.copyFileSync(plugin, path.join(gate, 'ghostkeep.so'));
  return { words, none, gate };
}

export interface Dump {
  totalMs: number;
  frozenMs: number;
  bytes: number;
}

/** Dump a holder into a new folder. The holder runs on afterwards. */
export function dump(criu: Criu, way: Way, holder: Holder, folder: string): Dump {
  const { words, options } = prepareDump(criu, way, holder, folder);
  return figuresOf(timed(words, options), folder);
}

/**
 * Dumps, and watches the gate's helper, or CRIU where there is no helper.
 * @param counts true from the moment from which the use counts; without it, that is when CRIU has stopped the
 * holder
 * @returns also the use of the watched process
 */
export async function dumpWatched(
  criu: Criu,
  way: Way,
  holder: Holder,
  folder: string,
  counts = () => isStopped(holder.pid),
): Promise<Dump & { use: Use | undefined }> {
  const { words, options } = prepareDump(criu, way, holder, folder);
  const { ms, use } = await timedAndWatched(words, options, pid => ({
    find: way === 'ghostkeep' ? findHelper : () => pid,
    counts,
  }));
  return { ...figuresOf(ms, folder), use };
}

function prepareDump(
  criu: Criu,
  way: Way,
  holder: Holder,
  folder: string,
): { words: string[]; options: RunOptions } {
  fs.mkdirSync(folder, { mode: 0o700 });
  const options = way === 'ghostkeep' ? [] : ['--ghost-limit', '4095M'];
  // FIEMAP is CRIU's default.
  if (way !== 'ghostkeep') options.push(way === 'criu-fiemap' ? '--ghost-fiemap' : '--no-ghost-fiemap');
  return {
    words: [
      ...criu.words,
      'dump',
      '--no-default-config',
      ...['--tree', String(holder.pid), '--images-dir', folder, '--log-file', 'dump.log', '--leave-running'],
      ...options,
    ],
    options: {
      env: { CRIU_LIBS_DIR: way === 'ghostkeep' ? criu.gate : criu.none },
      log: path.join(folder, 'dump.log'),
    },
  };
}

function figuresOf(totalMs: number, folder: string): Dump {
  return { totalMs, frozenMs: frozenMs(path.join(folder, 'stats-dump')), bytes: bytesIn(folder) };
}

/** CRIU, alone or with the gate, makes the process again under its old pid, which must be free. */
export function restore(criu: Criu, way: Way, folder: string): number {
  return timed(
    [
      ...criu.words,
      'restore',
      '--no-default-config',
      ...['--images-dir', folder, '--log-file', 'restore.log', '--restore-detached'],
    ],
    {
      env: { CRIU_LIBS_DIR: way === 'ghostkeep' ? criu.gate : criu.none },
      log: path.join(folder, 'restore.log'),
    },
  );
}

/**
 * True where every ghost has its image, in any order of ids. With the gate there must also be a sealed
 * manifest if there is a ghost, and no manifest if there is none.
 */
export function imagesEqual(way: Way, { patterns }: Holder, folder: string): boolean {
  const images = fs.readdirSync(folder).filter(name => /^ghost-file-[0-9a-f]+\.img$/.test(name));
  const isSealed = fs.existsSync(path.join(folder, 'ghostkeep-manifest.json'));
  if (way === 'ghostkeep' && isSealed !== patterns.length > 0) return false;
  const ordered = images.toSorted((a, b) => imageNumber(a) - imageNumber(b));
  return (
    images.length === patterns.length &&
    patterns.every((pattern, n) => ghostImageEquals(pattern, path.join(folder, ordered[n] as string)))
  );
}

function imageNumber(name: string): number {
  return Number.parseInt(name.slice('ghost-file-'.length), 16);
}

/**
 * stats_entry { dump = 1 { freezing_time = 1, frozen_time = 2, … } }, µs.
 * Source: CRIU, images/stats.proto.
 */
export function frozenMs(file: string): number {
  const image = fs.readFileSync(file);
  const start = 12;
  const entry = image.subarray(start, start + image.readUInt32LE(8));
  const inner = entry.subarray(2, 2 + (entry[1] ?? 0));
  const frozen = varintFields(inner).get(2);
  if (entry[0] !== 0x0a || frozen === undefined) throw new Error(`${file}: no frozen_time in it`);
  return frozen / 1000;
}

function bytesIn(folder: string): number {
  let sum = 0;
  for (const name of fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stat = fs.statSync(path.join(folder, name));
    if (stat.isFile()) sum += stat.blocks * 512;
  }
  return sum;
}

import type { Holders, Inode } from '../../base/host/host.js';
import { ask } from '../native/call.js';
import { sought } from '../native/layout.js';

/** See ProcessView.findHolders. */
export function findHolders(pids: readonly number[], files: readonly Inode[], waitMs: number): Holders {
  // The library wants the files in the order of their devices and inodes.
  const order = files.map((_, index) => index).sort((a, b) => compare(files[a], files[b]));
  const words = new BigUint64Array(files.length * sought.words);
  for (const [place, index] of order.entries()) {
    const { dev, ino } = files[index] as Inode;
    words.set([dev, ino], place * sought.words);
  }
  const complete = new Uint32Array(1);
  if (files.length > 0)
    ask('gk_find_holders', Uint32Array.from(pids), pids.length, words, files.length, waitMs, complete);
  const holders = new Array<number | undefined>(files.length);
  for (const [place, index] of order.entries()) {
    const pid = Number(words[place * sought.words + sought.word.pid]);
    holders[index] = pid === 0 ? undefined : pid;
  }
  return { holders, complete: files.length === 0 || complete[0] === 1 };
}

function compare(a: Inode | undefined, b: Inode | undefined): number {
  if (!a || !b) return 0;
  const difference = a.dev - b.dev || a.ino - b.ino;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

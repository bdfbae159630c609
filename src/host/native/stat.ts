import type { BigIntStats } from 'node:fs';
import type { FileStat } from '../../base/host/host.js';
import { ask } from './call.js';

export function toFileStat(stat: BigIntStats): FileStat {
  return {
    dev: stat.dev,
    ino: stat.ino,
    mode: Number(stat.mode),
    nlink: Number(stat.nlink),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    rdev: stat.rdev,
    size: stat.size,
    allocated: stat.blocks * 512n,
    blockBytes: Number(stat.blksize),
    atimeNs: stat.atimeNs,
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    birthtimeNs: stat.birthtimeNs,
  };
}

/** struct gk_stat: words, each time two of them. */
export const statWords = 19;
const nsPerSecond = 1_000_000_000n;

/** @param at where a struct gk_stat begins in WORDS */
export function readStat(words: BigInt64Array, at: number): FileStat {
  const word = (index: number) => words[at + index] as bigint;
  const time = (index: number) => word(index) * nsPerSecond + word(index + 1);
  return {
    dev: BigInt.asUintN(64, word(0)),
    ino: BigInt.asUintN(64, word(1)),
    mode: Number(word(2)),
    nlink: Number(word(3)),
    uid: Number(word(4)),
    gid: Number(word(5)),
    rdev: BigInt.asUintN(64, word(6)),
    size: word(7),
    allocated: word(8),
    blockBytes: Number(word(9)),
    atimeNs: time(10),
    mtimeNs: time(12),
    ctimeNs: time(14),
    birthtimeNs: time(16),
    mountId: Number(word(18)),
  };
}

/** What the kernel knows of a path below /proc: no server is asked, which might never answer. */
export function statCached(path: string): FileStat {
  const words = new BigInt64Array(statWords);
  ask('gk_stat_cached', Buffer.from(`${path}\0`), words);
  return readStat(words, 0);
}

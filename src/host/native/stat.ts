import fs, { type BigIntStats } from 'node:fs';
import { errnoOf } from '../../base/errors.js';
import type { FileStat } from '../../base/host/host.js';
import { ask, cString } from './call.js';
import { stat as layout } from './layout.js';

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
    birthtimeNs: tellsBirth() ? stat.birthtimeNs : 0n,
  };
}

let hasStatx: boolean | undefined;

/**
 * Where statx(2) is forbidden, Node gives the time of the last change as the birth time, which would make two
 * files of one. Files of procfs have no birth time, so one of them shows what Node does.
 */
function tellsBirth(): boolean {
  hasStatx ??= fs.statSync('/proc', { bigint: true, throwIfNoEntry: false })?.birthtimeNs === 0n;
  return hasStatx;
}

const nsPerSecond = 1_000_000_000n;

/** @param at where a struct gk_stat begins in WORDS */
export function readStat(words: BigInt64Array, at: number): FileStat {
  const { word } = layout;
  const read = (index: number) => words[at + index] as bigint;
  const time = (sec: number, nsec: number) => read(sec) * nsPerSecond + read(nsec);
  return {
    dev: BigInt.asUintN(64, read(word.dev)),
    ino: BigInt.asUintN(64, read(word.ino)),
    mode: Number(read(word.mode)),
    nlink: Number(read(word.nlink)),
    uid: Number(read(word.uid)),
    gid: Number(read(word.gid)),
    rdev: BigInt.asUintN(64, read(word.rdev)),
    size: read(word.size),
    allocated: read(word.allocated),
    blockBytes: Number(read(word.block_bytes)),
    atimeNs: time(word.atime_sec, word.atime_nsec),
    mtimeNs: time(word.mtime_sec, word.mtime_nsec),
    ctimeNs: time(word.ctime_sec, word.ctime_nsec),
    birthtimeNs: time(word.birth_sec, word.birth_nsec),
    mountId: Number(read(word.mount_id)),
  };
}

/**
 * Gives what the kernel knows about a file, by a path below /proc. No server is asked, as it might never
 * answer.
 */
export function statCached(path: string): FileStat {
  const words = new BigInt64Array(layout.words);
  ask('gk_stat_cached', Buffer.from(`${path}\0`), words);
  return readStat(words, 0);
}

/** The same for an entry of a folder. No link is followed. @returns undefined where there is no such entry */
export function statEntry(folderFd: number, name: Buffer): FileStat | undefined {
  const words = new BigInt64Array(layout.words);
  try {
    ask('gk_stat_entry', folderFd, cString(name), words);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  return readStat(words, 0);
}

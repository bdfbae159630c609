import type { BigIntStats } from 'node:fs';
import type { FileStat } from '../base/host.js';

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

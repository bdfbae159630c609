/**
 * The head of a ghost-file-*.img: both magics and its ghost_file_entry. The engine reads and writes the body.
 */
import { makeDev, splitDev } from '../base/units.js';
import { broken, joinImage, magic, splitImage } from './frame.js';
import { decode, encode } from './message.js';
import { ghostFileEntry, type Timeval } from './messages.js';

/** CRIU writes chunks from this size on. Source: files-reg.c, GHOST_CHUNKS_THRESH. */
const chunkedFromBytes = 3n * 4096n;

/** Enough for the head of any ghost image, also one by CRIU that contains a symbolic link's target. */
export const headBytes = 8192;

export interface GhostHead {
  /** uid and gid are ids inside the container's user namespace. */
  uid: number;
  gid: number;
  mode: number;
  /** The device as stat(2) gives it. Only this module knows CRIU's own packing. */
  dev: bigint;
  ino: bigint;
  size: bigint;
  atimeNs: bigint;
  mtimeNs: bigint;
}

export function isChunked(size: bigint): boolean {
  return size >= chunkedFromBytes;
}

/** The bytes of an image before those that the engine writes. */
export function encodeGhostHead(head: GhostHead): Buffer {
  const entry = encode(ghostFileEntry, {
    uid: head.uid,
    gid: head.gid,
    mode: head.mode,
    dev: packDev(head.dev),
    ino: head.ino,
    atim: microseconds(head.atimeNs),
    mtim: microseconds(head.mtimeNs),
    ...(isChunked(head.size) ? { chunks: true, size: head.size } : {}),
  });
  return joinImage(magic.GHOST_FILE, [entry]);
}

/**
 * @param start the first bytes of an image, at least its whole head
 * @returns the head. Its size is the entry's, or the number of bytes behind the head where there are no
 * chunks
 */
export function decodeGhostHead(start: Buffer, imageBytes: bigint, name: string): GhostHead {
  if (start.length < 12) throw broken(name, 'it ends before its first entry');
  const end = 12 + start.readUInt32LE(8);
  if (end > start.length)
    throw broken(name, `its first entry ends at ${end}, after the bytes that were read`);
  const [entryBytes] = splitImage(start.subarray(0, end), magic.GHOST_FILE, name);
  const entry = decode(ghostFileEntry, entryBytes as Buffer, name);
  const time = (value: Timeval | undefined) =>
    value ? BigInt.asIntN(64, value.tvSec) * 1_000_000_000n + value.tvUsec * 1000n : 0n;
  return {
    uid: entry.uid,
    gid: entry.gid,
    mode: entry.mode,
    dev: unpackDev(entry.dev ?? 0),
    ino: entry.ino ?? 0n,
    size: entry.chunks ? (entry.size ?? 0n) : imageBytes - BigInt(end),
    atimeNs: time(entry.atim),
    mtimeNs: time(entry.mtim),
  };
}

function microseconds(ns: bigint): Timeval {
  const second = 1_000_000_000n;
  const rest = ((ns % second) + second) % second;
  return { tvSec: BigInt.asUintN(64, (ns - rest) / second), tvUsec: rest / 1000n };
}

/** The kernel's internal dev_t: 12 bits major, 20 bits minor. Source: include/linux/kdev_t.h; CRIU MKKDEV. */
function packDev(dev: bigint): number {
  const { major, minor } = splitDev(dev);
  return ((major << 20) | minor) >>> 0;
}

function unpackDev(packed: number): bigint {
  return makeDev(BigInt(packed >>> 20), BigInt(packed & 0xfffff));
}

import { errnoOf } from '../../base/errors.js';
import type { Engine, EngineName, EngineReport, Extent, OnProgress } from '../../base/host/host.js';
import { nameToText } from '../../base/text/name-text.js';
import { parseTime } from '../../base/units.js';
import { call, callOnThread, cString, dumpFlags, engineNumber } from '../native/call.js';
import { extent, values } from '../native/layout.js';
import { errorOf } from '../native/look-at.js';
import { isBorrowed } from '../pin/borrow.js';
import { dumpMany } from './dump-many.js';
import { NativeLayers } from './layers.js';
import { watched } from './watched.js';

const batch = 512;

export class NativeEngine extends NativeLayers implements Engine {
  dump(...[request, onProgress, isOver]: Parameters<Engine['dump']>): Promise<EngineReport> {
    const { ghostFd, imageFd, engine, size, header } = request;
    const start = (progress: Buffer) =>
      callOnThread(
        'gk_dump',
        ghostFd,
        imageFd,
        engineNumber(engineFor(ghostFd, engine)),
        size,
        header,
        header.byteLength,
        dumpFlags(request),
        progress,
      );
    return watched(onProgress, start, isOver);
  }

  dumpMany(
    ...[folder, engine, mode, jobs, memory]: Parameters<Engine['dumpMany']>
  ): ReturnType<Engine['dumpMany']> {
    if (!jobs.some(({ ghostFd }) => isBorrowed(ghostFd))) return dumpMany(folder, engine, mode, jobs, memory);
    return jobs.flatMap(job => dumpMany(folder, engineFor(job.ghostFd, engine), mode, [job]));
  }

  writeBack(fd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport> {
    // A borrowed descriptor shares its file offset with the holder, and writing back looks for data with
    // lseek(2), which would move that offset. So we refuse. The data is then written during the freeze.
    if (isBorrowed(fd)) return Promise.reject(errorOf(-95, `write descriptor ${fd} back`)); // EOPNOTSUPP
    return watched(onProgress, progress => callOnThread('gk_write_back', fd, size, progress));
  }

  check(imageFd: number, onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress => callOnThread('gk_check', imageFd, progress));
  }

  digest(fd: number, onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress => callOnThread('gk_digest', fd, progress));
  }

  async settle(fd: number): Promise<void> {
    await callOnThread('gk_settle', fd);
  }

  restore(imageFd: number, fileFd: number, onProgress?: OnProgress): Promise<EngineReport> {
    return watched(onProgress, progress => callOnThread('gk_restore', imageFd, fileFd, progress));
  }

  copy(fromFd: number, toFd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport> {
    const engine = engineNumber(engineFor(fromFd, 'auto'));
    return watched(onProgress, progress => callOnThread('gk_copy', fromFd, toFd, engine, size, progress));
  }

  *extents(fd: number, engine: EngineName, size: bigint): Iterable<Extent> {
    let start = 0n;
    while (start < size) {
      const { extents, next } = listBatch((buffer, count, after) =>
        call('gk_extents', fd, engineNumber(engineFor(fd, engine)), size, start, buffer, batch, count, after),
      );
      yield* extents;
      start = next;
    }
  }

  chunks(imageFd: number): Iterable<Extent> {
    // biome-ignore lint/plugin: only as many arguments as the C function takes
    return untilZero((cursor, ...room) => call('gk_chunks', imageFd, cursor, ...room));
  }

  allocation(fd: number, size: bigint): Iterable<Extent> | undefined {
    // biome-ignore lint/plugin: only as many arguments as the C function takes
    const list = untilZero((cursor, ...room) => call('gk_allocation', fd, size, cursor, ...room));
    try {
      const first = list.next();
      return first.done ? [] : withFirst(first.value, list);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EOPNOTSUPP') return undefined;
      if ((error as NodeJS.ErrnoException).code === 'ENOTSUP') return undefined;
      throw error;
    }
  }

  allocate(fd: number, offset: bigint, length: bigint): void {
    call('gk_allocate', fd, offset, length);
  }

  setTimes(fd: number, atime: string, mtime: string): void {
    const [a, m] = [parseTime(atime), parseTime(mtime)];
    call('gk_set_times', fd, a.seconds, a.nanoseconds, m.seconds, m.nanoseconds);
  }

  flags(fd: number): number {
    const flags = Buffer.alloc(4);
    call('gk_get_flags', fd, flags);
    return flags.readUInt32LE(0);
  }

  setFlags(fd: number, flags: number): void {
    call('gk_set_flags', fd, flags);
  }

  xattrs(fd: number, most = Number.POSITIVE_INFINITY): Record<string, Buffer> {
    let names: Buffer;
    let bytes = 0;
    try {
      names = sized((buffer, length) => call('gk_list_xattrs', fd, buffer, length));
    } catch (error) {
      if (noXattrs.has(errnoOf(error) ?? '')) return {};
      throw error;
    }
    const found: Record<string, Buffer> = {};
    for (const name of splitAtNul(names))
      for (const [text, value] of this.#xattr(fd, name)) {
        bytes += name.length + value.length;
        if (bytes > most)
          throw Object.assign(new Error(`E2BIG: its extended attributes have more than ${most} bytes`), {
            code: 'E2BIG',
          });
        found[text] = value;
      }
    return found;
  }

  /** The result is empty where the attribute was removed after it was listed. */
  #xattr(fd: number, name: Buffer): [string, Buffer][] {
    try {
      const value = sized((buffer, length) => call('gk_get_xattr', fd, cString(name), buffer, length));
      return [[nameToText(name), value]];
    } catch (error) {
      if (errnoOf(error) === 'ENODATA') return [];
      throw error;
    }
  }

  setXattr(fd: number, name: Buffer, value: Buffer): void {
    call('gk_set_xattr', fd, cString(name), value, value.byteLength);
  }
}

/**
 * If we share FD with another process, the engine must be `read`, which calls only pread(2). The other
 * engines call lseek(2), which would move the file offset of that process, too.
 */
function engineFor(fd: number, engine: EngineName): EngineName {
  return isBorrowed(fd) ? 'read' : engine;
}

type Room = [extents: Buffer, capacity: number, count: Buffer, next: Buffer];

/** Calls LIST with a cursor, again and again, until the next cursor is 0. */
function* untilZero(list: (cursor: bigint, ...room: Room) => void): Generator<Extent, void> {
  let cursor = 0n;
  do {
    const { extents, next } = listBatch((buffer, count, after) => list(cursor, buffer, batch, count, after));
    yield* extents;
    cursor = next;
  } while (cursor !== 0n);
}

function* withFirst<T>(first: T, rest: Iterable<T>): Iterable<T> {
  yield first;
  yield* rest;
}

function listBatch(fill: (buffer: Buffer, count: Buffer, next: Buffer) => void): {
  extents: Extent[];
  next: bigint;
} {
  const buffer = Buffer.alloc(batch * extent.bytes);
  const [count, next] = [Buffer.alloc(4), Buffer.alloc(8)];
  fill(buffer, count, next);
  const extents: Extent[] = [];
  for (let at = 0; at < count.readUInt32LE(0) * extent.bytes; at += extent.bytes) {
    extents.push({
      offset: buffer.readBigUInt64LE(at + extent.at.offset),
      length: buffer.readBigUInt64LE(at + extent.at.length),
      kind: buffer.readUInt32LE(at + extent.at.kind) === values.GK_EXTENT_DATA ? 'data' : 'unwritten',
    });
  }
  return { extents, next: next.readBigUInt64LE(0) };
}

/** Splits a list of names that each end with a NUL. Source: listxattr(2). */
function* splitAtNul(list: Buffer): Generator<Buffer> {
  for (let end: number, start = 0; start < list.length; start = end + 1) {
    end = list.indexOf(0, start);
    if (end < 0) end = list.length;
    if (end > start) yield list.subarray(start, end);
  }
}

/** A file system without extended attributes answers with one of these. */
const noXattrs = new Set(['ENOTSUP', 'EOPNOTSUPP']);

/**
 * Gives FILL a buffer of the largest size, and returns the part that it filled. The kernel allows at most 64
 * KiB for a list of names and for a value. Source: xattr(7)
 */
function sized(fill: (buffer: Buffer, length: Buffer) => void): Buffer {
  room ??= Buffer.alloc(65536);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(room.byteLength));
  fill(room, length);
  return Buffer.from(room.subarray(0, Number(length.readBigUInt64LE(0))));
}

/**
 * The buffer of sized(), which is kept. Most files have no attributes, and clearing 64 KiB for each file
 * would take longer than asking for its attributes.
 */
let room: Buffer | undefined;

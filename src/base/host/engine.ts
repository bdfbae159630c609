import type { FileStat, Refused } from './file-stat.js';

/**
 * The native library as the flows see it: native/include/ghostkeep.h, one call a ghost, or one for many small
 * ones.
 */

export type EngineName = 'auto' | 'fiemap' | 'seek' | 'read';
export type CopyWay = 'reflink' | 'copy_file_range' | 'read/write';

export interface EngineReport {
  dataBytes: bigint;
  chunks: bigint;
  unwrittenBytes: bigint;
  imageBytes: bigint;
  /** Of the image, what an earlier one held already. */
  keptBytes: bigint;
  size: bigint;
  failedOffset: bigint;
  engine: EngineName;
  fallbacks: number;
  ways: CopyWay[];
  crc32c: number;
  /** Of dump: why this engine, and where another gave up. */
  why: string;
}

export interface Extent {
  offset: bigint;
  length: bigint;
  kind: 'data' | 'unwritten';
}

/** One small ghost among many: what dump takes, and the image's name below the folder. */
export interface DumpJob {
  ghostFd: number;
  name: string;
  size: bigint;
  header: Uint8Array;
  chunked: boolean;
  detectZeroes: boolean;
  /** As dump's; without it no file may be there by that name. */
  over?: boolean;
}

/** Called now and then while an engine call runs; `done` is bytes so far. */
export type OnProgress = (done: bigint) => void;

/** The native library. Rejects with an errno error whose message is the engine's line. */
export interface Engine {
  dump(
    request: {
      ghostFd: number;
      imageFd: number;
      engine: EngineName;
      size: bigint;
      header: Uint8Array;
      chunked: boolean;
      /** Leave out blocks of zeroes inside data, too. */
      detectZeroes: boolean;
      /** The image may hold anything: every byte is compared, and written where it is another. */
      over?: boolean;
    },
    onProgress?: OnProgress,
  ): Promise<EngineReport>;
  /**
   * dump for many small ghosts at once, on all processors, into images that are made, or are there already
   * where a job says `over`. What failed has left none that it made or wrote to.
   * @returns in their order what was written, and the ghost's stat after that
   */
  dumpMany(
    folder: string,
    engine: EngineName,
    mode: number,
    jobs: readonly DumpJob[],
  ): ({ report: EngineReport; after: FileStat } | Refused)[];
  /** Write dirty pages to disk and wait: blocks could not be shared before. */
  writeBack(fd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport>;
  check(imageFd: number, onProgress?: OnProgress): Promise<EngineReport>;
  digest(fd: number, onProgress?: OnProgress): Promise<EngineReport>;
  /**
   * Wait until the disk has a file, and read from there from now on.
   * @throws an errno error where it could not take it
   */
  settle(fd: number): Promise<void>;
  restore(imageFd: number, fileFd: number, onProgress?: OnProgress): Promise<EngineReport>;
  extents(fd: number, engine: EngineName, size: bigint): Iterable<Extent>;
  chunks(imageFd: number): Iterable<Extent>;
  /** What is allocated but no data: unwritten ranges, and all past size. Undefined where no map tells. */
  allocation(fd: number, size: bigint): Iterable<Extent> | undefined;
  /** Allocate without changing what is there, or the size. */
  allocate(fd: number, offset: bigint, length: bigint): void;
  setTimes(fd: number, atime: string, mtime: string): void;
  /** Inode flags (chattr(1)) that can be given to another file; 0 where the file system has none. */
  flags(fd: number): number;
  setFlags(fd: number, flags: number): void;
  xattrs(fd: number): Record<string, Buffer>;
  setXattr(fd: number, name: Buffer, value: Buffer): void;
}

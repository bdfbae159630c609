import type { FileStat, Memory, Refused } from './file-stat.js';

/**
 * The native library as the flows see it (native/include/ghostkeep.h): one call for each ghost, or one for
 * many small ones.
 */

export type EngineName = 'auto' | 'fiemap' | 'seek' | 'read';
export type CopyWay = 'reflink' | 'copy_file_range' | 'read/write';

export interface EngineReport {
  dataBytes: bigint;
  chunks: bigint;
  unwrittenBytes: bigint;
  imageBytes: bigint;
  /**
   * Only for a dump over an earlier image. `keptBytes` of the image were already in the earlier one.
   * `differingBytes` (counted in whole blocks) were different there. `uncomparedBytes` were written over it
   * without being compared. Together the three are `imageBytes`, and the last two were written.
   */
  keptBytes: bigint;
  differingBytes: bigint;
  uncomparedBytes: bigint;
  size: bigint;
  failedOffset: bigint;
  engine: EngineName;
  fallbacks: number;
  ways: CopyWay[];
  crc32c: number;
  /** Only for a dump: why this engine was used, and where another engine gave up. */
  why: string;
}

export interface Extent {
  offset: bigint;
  length: bigint;
  kind: 'data' | 'unwritten';
}

/** One small ghost among many: the arguments of `dump`, and the image's name below the folder. */
export interface DumpJob {
  ghostFd: number;
  name: string;
  size: bigint;
  header: Uint8Array;
  chunked: boolean;
  detectZeroes: boolean;
  /** Write over the image of this name, as in `dump`. Without it, no file may have that name yet. */
  over?: boolean;
}

/** Called now and then while an engine call runs. `done` is the number of bytes so far. */
export type OnProgress = (done: bigint) => void;

/**
 * Asked every few milliseconds while a call runs. If it returns true, the call ends soon, with ECANCELED.
 * If it throws, the call ends with that error.
 */
export type IsOver = () => boolean;

/** The native library. A call rejects with an errno error whose message is the engine's. */
export interface Engine extends Layers {
  dump(
    request: {
      ghostFd: number;
      imageFd: number;
      engine: EngineName;
      size: bigint;
      header: Uint8Array;
      chunked: boolean;
      /** Leave out blocks of zeroes inside data too. */
      detectZeroes: boolean;
      /** The image may already hold any bytes: each byte is compared, and written where it differs. */
      over?: boolean;
    },
    onProgress?: OnProgress,
    isOver?: IsOver,
  ): Promise<EngineReport>;
  /**
   * Dump many small ghosts at once, on all processors. The images are made, except those of jobs that say
   * `over`, which exist already. If a job fails, the image that it made or wrote to is removed.
   * @returns for each job, in order, the report and the ghost's stat after the copy; with MEMORY, the same
   * object as before where neither has changed
   */
  dumpMany(
    folder: string,
    engine: EngineName,
    mode: number,
    jobs: readonly DumpJob[],
    memory?: Memory,
  ): readonly ({ report: EngineReport; after: FileStat } | Refused)[];
  /** Write dirty pages to disk and wait. Blocks cannot be shared before that. */
  writeBack(fd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport>;
  check(imageFd: number, onProgress?: OnProgress): Promise<EngineReport>;
  digest(fd: number, onProgress?: OnProgress): Promise<EngineReport>;
  /**
   * Wait until a file is on the disk, and make later reads come from the disk.
   * @throws an errno error where the disk could not take the file
   */
  settle(fd: number): Promise<void>;
  restore(imageFd: number, fileFd: number, onProgress?: OnProgress): Promise<EngineReport>;
  /** Copy the first SIZE bytes of one file into an empty one. Holes stay holes. */
  copy(fromFd: number, toFd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport>;
  extents(fd: number, engine: EngineName, size: bigint): Iterable<Extent>;
  chunks(imageFd: number): Iterable<Extent>;
  /**
   * Ranges that are allocated but have no data: unwritten ones, and all past size. Undefined where the file
   * system has no map.
   */
  allocation(fd: number, size: bigint): Iterable<Extent> | undefined;
  /** Allocate space without changing the content or the size. */
  allocate(fd: number, offset: bigint, length: bigint): void;
  setTimes(fd: number, atime: string, mtime: string): void;
  /** Inode flags (chattr(1)) that can be given to another file; 0 where the file system has none. */
  flags(fd: number): number;
  setFlags(fd: number, flags: number): void;
  /** @throws E2BIG where names and values have more than MOST bytes */
  xattrs(fd: number, most?: number): Record<string, Buffer>;
  setXattr(fd: number, name: Buffer, value: Buffer): void;
}

/** One layer of a ghost, by descriptors: its whole image, or the map and the data of a packed one. */
export type Level = ({ imageFd: number } | { mapFd: number; dataFd: number }) & GivenUp;

/**
 * The units that a layer has given up: those that the record `givenFd` lists, and all below the unit
 * `givenBelow`.
 */
export interface GivenUp {
  givenFd?: number;
  givenBelow?: bigint;
}

/** One call of `unpackPart`. Units are 64 KiB, from the start of the ghost. */
export interface Part {
  /** The file has all units below it from earlier calls. */
  first: bigint;
  mostBytes: bigint;
  /** Write nothing, and only compare what the file has from this unit on, below `first`, with the digests. */
  checkFrom?: bigint;
}

/**
 * The part of the native library for histories (native/include/ghostkeep-layer.h). The layers of a ghost
 * begin with the one that is asked for; each needs the one behind it.
 */
export interface Layers {
  /**
   * Let two images share equal blocks. This call shares `dataBytes`; `keptBytes` were shared before.
   * @throws EOPNOTSUPP where the file system shares no blocks, or the images lie on two file systems
   */
  share(fromFd: number, toFd: number, onProgress?: OnProgress): Promise<EngineReport>;
  /**
   * Write into two empty files what a ghost has and its parent has not. `dataBytes` went into the data,
   * `keptBytes` are in the parent. If `parent` has no levels, all levels of the ghost become one layer; what
   * the last of them has in its own parent stays there. `name` is the layer name of the map as it was meant
   * to be written, so `layerName` gives another name if the file is damaged afterwards.
   */
  pack(
    request: { ghost: readonly Level[]; parent: readonly Level[]; mapFd: number; dataFd: number },
    onProgress?: OnProgress,
  ): Promise<EngineReport & { name: string }>;
  /** The report of a `pack` of LEVELS without a parent, which writes nothing and reads no data of a layer. */
  countJoined(levels: readonly Level[], onProgress?: OnProgress): Promise<EngineReport>;
  /**
   * Put a ghost together in an empty file: its image where there is a header, otherwise the file itself.
   * @throws EBADMSG where a layer is damaged, or has other bytes than were packed
   */
  unpack(
    levels: readonly Level[],
    toFd: number,
    header?: Uint8Array,
    onProgress?: OnProgress,
  ): Promise<EngineReport>;
  /**
   * Like unpack, in several calls. Between two calls the layers may give up the units below `next`. `next` is
   * undefined when the ghost is complete.
   */
  unpackPart(
    levels: readonly Level[],
    toFd: number,
    header: Uint8Array | undefined,
    part: Part,
    onProgress?: OnProgress,
  ): Promise<{ report: EngineReport; next: bigint | undefined }>;
  /**
   * Find the units that the level at DEPTH need no longer keep for the first level, and write the record of
   * them. This call gives up `dataBytes`, this and earlier ones together `differingBytes`, and `keptBytes`
   * stay. `size` is the number of units that this call gives up.
   * @param recordFd an empty file; undefined where nothing is to be written
   * @param taker the number, from 1, in the manifest's list of those to whom the level has given up units
   */
  giveUp(
    levels: readonly Level[],
    depth: number,
    recordFd: number | undefined,
    taker: number,
    onProgress?: OnProgress,
  ): Promise<EngineReport>;
  /**
   * Punch holes where the level has given units up. `dataBytes` is their length, `chunks` the number of
   * calls.
   * @throws EOPNOTSUPP where the file system punches no holes
   */
  punch(level: Level, onProgress?: OnProgress): Promise<EngineReport>;
  /**
   * Check as checkLayer does; a unit that is bad is no error. `dataBytes` are good, `differingBytes` bad,
   * `uncomparedBytes` given up, and `why` says what is bad.
   */
  surveyLayer(levels: readonly Level[], onProgress?: OnProgress): Promise<EngineReport>;
  /** Check as unpack does, and write nothing. One level alone is checked without what is in its parent. */
  checkLayer(levels: readonly Level[], onProgress?: OnProgress): Promise<EngineReport>;
  /** The name of a layer, `blake3:` and 64 hexadecimal digits. */
  layerName(mapFd: number): Promise<string>;
}

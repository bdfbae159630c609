/** Ghosts that move between hosts, as the flows see them (native/include/ghostkeep-move.h). */
import type { EngineName, EngineReport, OnProgress } from './engine.js';

export interface Frame {
  type: number;
  sequence: number;
  /** Valid until the next frame is received. */
  payload: Buffer;
}

/** One side of a connection. Its descriptors remain the caller's. All calls block. */
export interface Link {
  /** Send the 16 bytes that a side begins with. */
  greet(greeting: Uint8Array): void;
  /** Receive the 16 bytes that the other side begins with. @throws ENODATA where it ends before */
  greeting(): Buffer;
  /** Start a thread that sends `alive` whenever nothing else was sent for this long. */
  beat(everyMs: number): void;
  /**
   * The next frame that is not `alive`; undefined when the other side has hung up between two frames.
   * @throws ETIMEDOUT where it is silent, ECONNRESET where it hung up inside a frame, EBADMSG for a frame
   * with a wrong length, number or sum
   */
  receive(): Frame | undefined;
  /** @returns the number of the frame */
  send(type: number, payload: Uint8Array): number;
  close(): void;
}

/** The two files of a ghost at the receiver. */
export interface MovedFiles {
  dataFd: number;
  tableFd: number;
}

/** A range of a ghost, and those of its pages that the receiver lacks. */
export interface Patch {
  offset: bigint;
  length: bigint;
  /** BLAKE3 of the entries of all blocks of the range, as they are with these pages. */
  digest: Uint8Array;
  /** For each run its first page, counted from the offset, and how many pages it has: 32 bits each. */
  runs: Uint8Array;
  /** The pages, one behind the other. */
  bytes: Uint8Array;
}

/** Says how a ghost's content becomes an image in the file in which it lies. */
export interface Shape {
  size: bigint;
  /** The head of the image. */
  header: Buffer;
  /** Where the ghost has data: the first block of each range, and the block behind its last one. */
  runs: readonly (readonly [number, number])[];
}

/** Where a receiver keeps ghosts. Nothing is on the disk before `sync`. */
export interface Store {
  /** Cut or extend a ghost. The blocks whose content changes by that become unknown. */
  resize(ghost: MovedFiles, size: bigint): void;
  /**
   * Write BYTES. The table says `unknown` of their blocks until putEntries.
   * @returns the entries that the table shall have for these blocks when they are on the disk, and how many
   * of the blocks were zero before
   */
  write(ghost: MovedFiles, offset: bigint, bytes: Uint8Array): { entries: Buffer; fresh: number };
  /**
   * Write the changed pages of a range. The table says `unknown` of their blocks until putEntries.
   * @returns `entries` that the table shall have for all blocks of the range when the disk has the pages,
   * undefined where the range has another digest then; `fresh`: how many of the changed blocks were zero
   * before; `touched`: how many blocks have changed pages
   */
  patch(ghost: MovedFiles, patch: Patch): { entries: Buffer | undefined; fresh: number; touched: number };
  /** Make a range zero. @returns how many of its blocks were not zero before */
  zero(ghost: MovedFiles, offset: bigint, length: bigint): bigint;
  /** fsync(2). @throws an errno error */
  sync(fd: number): void;
  /** syncfs(2): all files of the file system. @throws an errno error */
  syncDisk(fd: number): void;
  putEntries(tableFd: number, firstBlock: bigint, entries: Uint8Array): void;
  /** BLAKE3 of COUNT entries; undefined where one of them is unknown. */
  digest(tableFd: number, firstBlock: bigint, count: number): Buffer | undefined;
  /** Fill an empty table from the content. */
  makeTable(ghost: MovedFiles): void;
  /** @returns the ranges that have data, and their bytes; undefined where there are more than MOST */
  runs(tableFd: number, size: bigint, most: number): { runs: Shape['runs']; bytes: bigint } | undefined;
  /**
   * Writes the first block once more, behind the ghost. @returns false where this is not possible: nothing is
   * changed then
   */
  shapeTail(dataFd: number, shape: Shape): boolean;
  /** Makes the file a ghost image: its head goes over the first block, and those of chunks into holes. */
  shapeHeads(dataFd: number, shape: Shape): void;
  /** Removes the tail, which is everything behind SIZE. */
  cut(dataFd: number, size: bigint): void;
  /** Write bytes into a file that is no ghost. */
  put(fd: number, offset: bigint, bytes: Uint8Array): void;
  /** BLAKE3 of a whole file. */
  fileDigest(fd: number): Buffer;
}

export interface Moving {
  /**
   * @param outFd undefined where nothing will be sent @param deadMs a side that is silent for this long is
   * dead
   */
  openLink(inFd: number, outFd: number | undefined, deadMs: number): Link;
  store: Store;
}

/** A program between sender and receiver, which carries bytes from its stdin and to its stdout. */
export interface Carrier {
  pid: number;
  /** Descriptors: its stdin and its stdout. */
  to: number;
  from: number;
}

export interface SenderPatience {
  /** How long a receiver may be silent. */
  patienceMs: number;
  /**
   * How long the receiver may take no frame, acknowledge nothing and answer nothing, even if it is alive.
   * There is no bound without this.
   */
  stallMs?: number;
  /** The receiver has this long for its greeting, and again for its first answer. */
  openMs?: number;
}

/** The sender's state in the library, from `open` to `close`. */
export type Sender = bigint;

/**
 * The sender's side (native/include/ghostkeep-send.h, src/move/PROTOCOL.md). Calls reject with an errno
 * error: ECONNREFUSED where the receiver has given up, and others where the connection is lost or a file
 * cannot be read. Calls that wait do so on another thread, with the sender's patience as their deadline.
 */
export interface Sending {
  /** @param words the program's path and its arguments. @param environment all that the program gets */
  start(words: readonly string[], environment: Readonly<Record<string, string>>): Carrier;
  /** Closes its descriptors and waits. @returns its exit status, or 128 and the signal that ended it */
  end(carrier: Carrier, waitMs: number): Promise<number>;
  /** Greets the receiver. @throws EPROTO where the other side is no receiver of this version */
  open(carrier: Carrier, patience: SenderPatience): Promise<Sender>;
  /** @returns how many bytes the receiver has acknowledged */
  close(sender: Sender): bigint;
  /** @param folderFd the folder of the tables for this receiver */
  useTables(sender: Sender, folderFd: number): void;
  /**
   * From now on `stallMs` of the patience is STALL_MS. With 0, the receiver may take its time while it is
   * alive.
   */
  waitForSteps(sender: Sender, stallMs: number): void;
  /** Sends a frame. With AWAITED, `answer` will wait for a frame of that type. */
  say(sender: Sender, type: number, payload: Uint8Array, awaited?: number): Promise<void>;
  answer(sender: Sender): Promise<Buffer>;
  /** The payload of the receiver's `fail`; undefined where it sent none. */
  failure(sender: Sender): Buffer | undefined;
  /**
   * Sends a ghost. `dataBytes` are those of the ghost that are not zero, `keptBytes` those that the receiver
   * had, `differingBytes` those that were sent, and `imageBytes` all that went over the connection.
   * @throws ESTALE where the ghost is shorter than SIZE
   */
  ghost(
    sender: Sender,
    ghost: { fd: number; engine: EngineName; size: bigint; key: string },
    onProgress?: OnProgress,
  ): Promise<EngineReport>;
  /** Which calls of `ghost`, counted from 0, have to be made again: the receiver lacks blocks. */
  needed(sender: Sender): number[];
  /** Sends the content of a file and its digest. A frame `file` must have announced the file before. */
  file(sender: Sender, fd: number, size: bigint, onProgress?: OnProgress): Promise<EngineReport>;
}
